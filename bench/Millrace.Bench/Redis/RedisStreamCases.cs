using System.Diagnostics;
using Millrace.Bench.Files;
using Millrace.Storage;
using Millrace.Testing.Servers;

namespace Millrace.Bench.Redis;

/// <summary>Records of 100 bytes in one partition.</summary>
internal static class RedisStreamCases
{
    private const int Batch = 100;
    private const int Callers = 4;
    private const int Records = 1_000_000;
    private const int PageRecords = 4096;
    private const int PageBytes = 1024 * 1024;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(4);

    /// <summary>Four callers, each a hundred records at a time.</summary>
    public static async Task<IReadOnlyList<Measurement>> AppendBatch100Async(BenchContext context)
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: context.CancellationToken);
        await using var session = await StreamSession.OpenAsync($"redis://{server.EndPoint}", context.CancellationToken);
        await AppendAsync(session.Partition, WarmUp, context.CancellationToken);
        var rate = await AppendAsync(session.Partition, Duration, context.CancellationToken);
        return [new Measurement("per_s", rate, "records/s")];
    }

    /// <summary>A million records from first to last.</summary>
    public static async Task<IReadOnlyList<Measurement>> ReadAsync(BenchContext context)
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: context.CancellationToken);
        await using var session = await StreamSession.OpenAsync($"redis://{server.EndPoint}", context.CancellationToken);
        var request = new AppendRequest(StreamSession.Records(Batch));
        for (var appended = 0; appended < Records; appended += Batch)
        {
            await session.Partition.AppendAsync(request, context.CancellationToken);
        }

        await ReadOnceAsync(session.Partition, context.CancellationToken);
        Memory.Settle();
        var allocated = GC.GetTotalAllocatedBytes(precise: true);
        var watch = Stopwatch.StartNew();
        await ReadOnceAsync(session.Partition, context.CancellationToken);
        return
        [
            new Measurement("per_s", Records / watch.Elapsed.TotalSeconds, "records/s"),
            new Measurement("alloc_bytes_per_message", (double)(GC.GetTotalAllocatedBytes(precise: true) - allocated) / Records, "bytes"),
        ];
    }

    private static async Task<double> AppendAsync(IStreamPartition partition, TimeSpan duration, CancellationToken cancellationToken)
    {
        var count = 0L;
        var watch = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(
            async () =>
            {
                var request = new AppendRequest(StreamSession.Records(Batch));
                while (watch.Elapsed < duration)
                {
                    await partition.AppendAsync(request, cancellationToken);
                    Interlocked.Add(ref count, Batch);
                }
            },
            cancellationToken)));
        return count / watch.Elapsed.TotalSeconds;
    }

    private static async Task ReadOnceAsync(IStreamPartition partition, CancellationToken cancellationToken)
    {
        var read = 0L;
        for (var offset = 0L; offset < Records;)
        {
            using var page = await partition.ReadAsync(offset, PageRecords, PageBytes, cancellationToken);
            read += page.Records.Length;
            offset = page.NextOffset;
        }

        if (read != Records)
        {
            throw new InvalidOperationException($"{read} records were read of {Records}: the figures would mean nothing.");
        }
    }
}
