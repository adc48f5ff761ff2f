using Millrace.Storage;

namespace Millrace.Bench.Queues;

/// <summary>Full cycles on a disk, beside what the disk and bare SQLite do.</summary>
internal static class DurableCases
{
    private const int Callers = 64;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(5);

    /// <summary>One caller, a hundred messages at a time.</summary>
    public static async Task<IReadOnlyList<Measurement>> FullBatch100Async(BenchContext context)
    {
        var (rate, allocated) = await MeasureAsync(QueueArea.SqliteUrl(context, "full"), callers: 1, batch: 100, context);
        var raw = RawSqliteBaseline.Measure(context.Folder, RawSqliteBaseline.Full, rowsPerTransaction: 100);
        return
        [
            Measurement.Against("per_s", rate, "messages/s", "raw SQLite, 100 rows a transaction", raw),
            new Measurement("alloc_bytes_per_message", allocated, "bytes"),
            new Measurement("raw_100_per_s", raw, "messages/s"),
            DiskBaseline.Measure(context.Folder),
        ];
    }

    /// <summary>Sixty-four callers, each one message at a time.</summary>
    public static async Task<IReadOnlyList<Measurement>> Full64CallersAsync(BenchContext context)
    {
        var (rate, allocated) = await MeasureAsync(QueueArea.SqliteUrl(context, "full"), Callers, batch: 1, context);
        var raw = RawSqliteBaseline.Measure(context.Folder, RawSqliteBaseline.Full, rowsPerTransaction: 1);
        return
        [
            Measurement.Against("per_s", rate, "messages/s", "raw SQLite, 1 row a transaction", raw),
            new Measurement("alloc_bytes_per_message", allocated, "bytes"),
            new Measurement("raw_1_per_s", raw, "messages/s"),
            DiskBaseline.Measure(context.Folder),
        ];
    }

    /// <summary>The same, safe from kill -9 and not from a power cut: against the case with flushes if that has run, else against one made for it.</summary>
    public static async Task<IReadOnlyList<Measurement>> Process64CallersAsync(BenchContext context)
    {
        var (rate, allocated) = await MeasureAsync(QueueArea.SqliteUrl(context, "process"), Callers, batch: 1, context);
        if (!context.Earlier.TryGetValue(("sqlite-full-64callers", "per_s"), out var full))
        {
            (full, _) = await MeasureAsync(QueueArea.SqliteUrl(context, "full"), Callers, batch: 1, context);
        }

        var raw = RawSqliteBaseline.Measure(context.Folder, RawSqliteBaseline.Process, rowsPerTransaction: 1);
        return
        [
            Measurement.Against("per_s", rate, "messages/s", "sqlite-full-64callers", full),
            new Measurement("alloc_bytes_per_message", allocated, "bytes"),
            new Measurement("raw_1_per_s", raw, "messages/s"),
            DiskBaseline.Measure(context.Folder),
        ];
    }

    /// <summary>Full cycles of so many callers, each so many messages at a time.</summary>
    public static async Task<(double Rate, double AllocatedPerMessage)> MeasureAsync(string url, int callers, int batch, BenchContext context)
    {
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync(url, cancellationToken: context.CancellationToken);
        var sessions = new List<QueueSession>();
        for (var i = 0; i < callers; i++)
        {
            sessions.Add(await QueueSession.OpenAsync(backend.Require<IQueueStore>(), "bench", batch));
        }

        await QueueSession.RunAsync(sessions, batch, WarmUp, context.CancellationToken);
        Memory.Settle();
        var allocated = GC.GetTotalAllocatedBytes(precise: true);
        var (messages, seconds) = await QueueSession.RunAsync(sessions, batch, Duration, context.CancellationToken);
        allocated = GC.GetTotalAllocatedBytes(precise: true) - allocated;
        foreach (var session in sessions)
        {
            await session.DisposeAsync();
        }

        return (messages / seconds, (double)allocated / messages);
    }
}
