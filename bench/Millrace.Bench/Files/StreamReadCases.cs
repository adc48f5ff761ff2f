using System.Diagnostics;
using Millrace.Storage;

namespace Millrace.Bench.Files;

/// <summary>Reading one partition.</summary>
internal static class StreamReadCases
{
    private const int Records = 5_000_000;
    private const int Batch = 1000;
    private const int PageRecords = 4096;
    private const int PageBytes = 1024 * 1024;
    private const int Followed = 5000;
    private const int FollowWarmUp = 500;
    private const int FollowedPerSecond = 1000;
    private static readonly long Margin = Stopwatch.Frequency / 5000;

    /// <summary>Five million records from first to last, out of the page cache.</summary>
    public static async Task<IReadOnlyList<Measurement>> ScanAsync(BenchContext context)
    {
        await using var session = await StreamSession.OpenAsync(FileArea.Url(context, "durability=interval"), context.CancellationToken);
        var request = new AppendRequest(StreamSession.Records(Batch));
        for (var appended = 0; appended < Records; appended += Batch)
        {
            await session.Partition.AppendAsync(request, context.CancellationToken);
        }

        await session.Partition.FlushAsync(context.CancellationToken);
        await ScanOnceAsync(session.Partition, context.CancellationToken);
        var allocated = GC.GetTotalAllocatedBytes(precise: true);
        var watch = Stopwatch.StartNew();
        await ScanOnceAsync(session.Partition, context.CancellationToken);
        return
        [
            new Measurement("per_s", Records / watch.Elapsed.TotalSeconds, "records/s"),
            new Measurement("alloc_bytes_per_message", (double)(GC.GetTotalAllocatedBytes(precise: true) - allocated) / Records, "bytes"),
        ];
    }

    /// <summary>A thousand records a second to a follower that waits: from the return of an append until the follower has the record.</summary>
    public static async Task<IReadOnlyList<Measurement>> FollowAsync(BenchContext context)
    {
        await using var session = await StreamSession.OpenAsync(FileArea.Url(context, "durability=full"), context.CancellationToken);
        var seen = new long[Followed + FollowWarmUp];
        var returned = new long[Followed + FollowWarmUp];
        var following = Task.Run(() => FollowAsync(session.Partition, seen, context.CancellationToken), context.CancellationToken);
        var request = new AppendRequest(StreamSession.Records(1));
        var next = Stopwatch.GetTimestamp();
        for (var i = 0; i < returned.Length; i++)
        {
            next += Stopwatch.Frequency / FollowedPerSecond;
            FineSleep.Until(next - Margin);
            await session.Partition.AppendAsync(request, context.CancellationToken);
            returned[i] = Stopwatch.GetTimestamp();
        }

        await following;
        var latencies = new Latencies(Followed);
        for (var i = FollowWarmUp; i < returned.Length; i++)
        {
            // A record may be seen before its append has returned.
            latencies.Add(Math.Max(0, seen[i] - returned[i]));
        }

        return [.. latencies.ToMeasurements(), DiskBaseline.Measure(context.Folder)];
    }

    private static async Task FollowAsync(IStreamPartition partition, long[] seen, CancellationToken cancellationToken)
    {
        for (var offset = 0L; offset < seen.Length;)
        {
            await partition.WaitForAsync(offset, cancellationToken);
            using var page = await partition.ReadAsync(offset, PageRecords, PageBytes, cancellationToken);
            var now = Stopwatch.GetTimestamp();
            for (; offset < page.NextOffset; offset++)
            {
                seen[offset] = now;
            }
        }
    }

    private static async Task ScanOnceAsync(IStreamPartition partition, CancellationToken cancellationToken)
    {
        var bytes = 0L;
        for (var offset = 0L; offset < Records;)
        {
            using var page = await partition.ReadAsync(offset, PageRecords, PageBytes, cancellationToken);
            foreach (ref readonly var record in page.Records.Span)
            {
                bytes += record.Body.Length;
            }

            offset = page.NextOffset;
        }

        if (bytes != Records * 100L)
        {
            throw new InvalidOperationException($"The scan has read {bytes:N0} bytes of {Records * 100L:N0}: the figures would mean nothing.");
        }
    }
}
