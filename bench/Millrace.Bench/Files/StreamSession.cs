using System.Diagnostics;
using Millrace.Storage;

namespace Millrace.Bench.Files;

/// <summary>One partition of a stream in a backend of its own.</summary>
internal sealed class StreamSession(Backend backend, IStreamPartition partition) : IAsyncDisposable
{
    private const int BodyBytes = 100;

    public IStreamPartition Partition => partition;

    public static async Task<StreamSession> OpenAsync(string url, CancellationToken cancellationToken)
    {
        var backend = await BackendRegistry.CreateDefault().OpenAsync(url, cancellationToken: cancellationToken);
        var context = new StreamPartitionContext { Stream = "bench", Partition = 0, PartitionCount = 1 };
        return new StreamSession(backend, await backend.Require<IStreamStore>().OpenPartitionAsync(context, cancellationToken));
    }

    /// <summary>So many records with a body each.</summary>
    public static StreamRecord[] Records(int count)
    {
        var records = new StreamRecord[count];
        for (var i = 0; i < count; i++)
        {
            var body = new byte[BodyBytes];
            Random.Shared.NextBytes(body);
            records[i] = new StreamRecord { Body = body };
        }

        return records;
    }

    /// <summary>Appends a batch again and again for a while.</summary>
    /// <returns>Records a second, and bytes allocated a record.</returns>
    public async Task<(double PerSecond, double AllocatedPerRecord)> AppendForAsync(int batch, TimeSpan duration, CancellationToken cancellationToken)
    {
        var request = new AppendRequest(Records(batch));
        var count = 0L;
        var allocated = GC.GetTotalAllocatedBytes(precise: true);
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < duration)
        {
            // Looking at the watch costs as much as an append of one record.
            for (var i = 0; i < 100; i++)
            {
                await partition.AppendAsync(request, cancellationToken);
            }

            count += 100 * batch;
        }

        var seconds = watch.Elapsed.TotalSeconds;
        await partition.FlushAsync(cancellationToken);
        return (count / seconds, (double)(GC.GetTotalAllocatedBytes(precise: true) - allocated) / count);
    }

    public async ValueTask DisposeAsync()
    {
        await partition.DisposeAsync();
        await backend.DisposeAsync();
    }
}
