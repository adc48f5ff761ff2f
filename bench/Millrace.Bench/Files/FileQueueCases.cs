using System.Diagnostics;
using Millrace.Bench.Queues;
using Millrace.Storage;

namespace Millrace.Bench.Files;

/// <summary>Full cycles of a queue in files: enqueue and complete wait for a flush, leases do not.</summary>
internal static class FileQueueCases
{
    private const int Callers = 64;
    private const int BatchCallers = 16;
    private const int WarmUp = 1000;
    private const int Sent = 5000;

    /// <summary>Sixty-four callers, each one message at a time.</summary>
    public static Task<IReadOnlyList<Measurement>> Full64CallersAsync(BenchContext context) => CyclesAsync(Callers, batch: 1, context);

    /// <summary>Sixteen callers, each a hundred messages at a time.</summary>
    public static Task<IReadOnlyList<Measurement>> FullBatch100Async(BenchContext context) => CyclesAsync(BatchCallers, batch: 100, context);

    /// <summary>One caller sends one message after the other: from the call until it is acknowledged.</summary>
    public static async Task<IReadOnlyList<Measurement>> FullLatencyAsync(BenchContext context)
    {
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync(FileArea.Url(context, "durability=full"), cancellationToken: context.CancellationToken);
        await using var session = await QueueSession.OpenAsync(backend.Require<IQueueStore>(), "bench", 1);
        var latencies = new Latencies(Sent);
        for (var i = 0; i < WarmUp + Sent; i++)
        {
            var sentAt = Stopwatch.GetTimestamp();
            await session.SendAsync(context.CancellationToken);
            if (i >= WarmUp)
            {
                latencies.Add(Stopwatch.GetTimestamp() - sentAt);
            }
        }

        return [.. latencies.ToMeasurements(), DiskBaseline.Measure(context.Folder)];
    }

    private static async Task<IReadOnlyList<Measurement>> CyclesAsync(int callers, int batch, BenchContext context)
    {
        var (rate, allocated) = await DurableCases.MeasureAsync(FileArea.Url(context, "durability=full"), callers, batch, context);
        var (sqlite, _) = await DurableCases.MeasureAsync(QueueArea.SqliteUrl(context, "full"), callers, batch, context);
        var disk = DiskBaseline.Measure(context.Folder);

        // Two flushes a cycle, each shared by all callers: more is not possible while one flush follows the other.
        var limit = callers * batch * disk.Value / 2;
        return
        [
            Measurement.Against("per_s", rate, "messages/s", "sqlite backend", sqlite),
            Measurement.Against("of_limit", rate, "messages/s", "all callers sharing each flush of fdatasync_per_s, two a cycle", limit),
            new Measurement("alloc_bytes_per_message", allocated, "bytes"),
            disk,
        ];
    }
}
