using System.Diagnostics;
using Millrace.Storage;

namespace Millrace.Bench.Files;

/// <summary>Appending records of 100 bytes to one partition.</summary>
internal static class StreamAppendCases
{
    private const int Callers = 64;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(4);

    /// <summary>One record a call, flushed every 5 ms.</summary>
    public static Task<IReadOnlyList<Measurement>> SingleAsync(BenchContext context) => IntervalAsync(1, context);

    /// <summary>A thousand records a call, flushed every 5 ms.</summary>
    public static Task<IReadOnlyList<Measurement>> Batch1000Async(BenchContext context) => IntervalAsync(1000, context);

    /// <summary>Sixty-four callers, each of which waits until its one record is flushed.</summary>
    public static async Task<IReadOnlyList<Measurement>> Full64CallersAsync(BenchContext context)
    {
        var rate = await FullAsync(FileArea.Url(context, "durability=full"), context.CancellationToken);
        var sqlite = await FullAsync($"sqlite:{Path.Combine(context.Folder, "streams.db")}?durability=full", context.CancellationToken);
        var raw = RawFileBaseline.FlushedAppendsPerSecond(context.Folder);
        return
        [
            Measurement.Against("per_s", rate, "records/s", "FileStream with Flush(true), one caller", raw),
            new Measurement("raw_per_s", raw, "records/s"),
            Measurement.Against("sqlite_per_s", sqlite, "records/s", "FileStream with Flush(true), one caller", raw),
            DiskBaseline.Measure(context.Folder),
        ];
    }

    private static async Task<IReadOnlyList<Measurement>> IntervalAsync(int batch, BenchContext context)
    {
        double rate, allocated;
        await using (var session = await StreamSession.OpenAsync(FileArea.Url(context, "durability=interval&flushIntervalMs=5"), context.CancellationToken))
        {
            await session.AppendForAsync(batch, WarmUp, context.CancellationToken);
            (rate, allocated) = await session.AppendForAsync(batch, Duration, context.CancellationToken);
        }

        const int RecordBytes = 100;
        var sequential = RawFileBaseline.SequentialBytesPerSecond(context.Folder);
        return
        [
            Measurement.Against("per_s", rate, "records/s", "raw sequential write, by bytes of bodies", sequential / RecordBytes),
            new Measurement("raw_mb_per_s", sequential / 1e6, "MB/s"),
            new Measurement("alloc_bytes_per_message", allocated, "bytes"),
            DiskBaseline.Measure(context.Folder),
        ];
    }

    private static async Task<double> FullAsync(string url, CancellationToken cancellationToken)
    {
        await using var session = await StreamSession.OpenAsync(url, cancellationToken);
        await RunCallersAsync(session.Partition, WarmUp, cancellationToken);
        return await RunCallersAsync(session.Partition, Duration, cancellationToken);
    }

    private static async Task<double> RunCallersAsync(IStreamPartition partition, TimeSpan duration, CancellationToken cancellationToken)
    {
        var count = 0L;
        var watch = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(
            async () =>
            {
                var request = new AppendRequest(StreamSession.Records(1));
                var appended = 0L;
                while (watch.Elapsed < duration)
                {
                    await partition.AppendAsync(request, cancellationToken);
                    appended++;
                }

                Interlocked.Add(ref count, appended);
            },
            cancellationToken)));
        return count / watch.Elapsed.TotalSeconds;
    }
}
