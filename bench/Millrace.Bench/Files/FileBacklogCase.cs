using System.Diagnostics;
using Millrace.Bench.Queues;
using Millrace.Storage;

namespace Millrace.Bench.Files;

/// <summary>Ten million messages of 200 bytes in one queue: the memory that they take, the start with them, and whether dequeueing is slower than with a thousand.</summary>
internal static class FileBacklogCase
{
    private const int Deep = 10_000_000;
    private const int Shallow = 1000;
    private const int BodyBytes = 200;
    private const int FillBatch = 1000;
    private const int CycleBatch = 100;
    private const int Cycles = 500_000;
    private const int Rounds = 5;

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchContext context)
    {
        var url = FileArea.Url(context, "durability=process", "deep");
        var filling = Stopwatch.StartNew();
        await using (var backend = await BackendRegistry.CreateDefault().OpenAsync(url, cancellationToken: context.CancellationToken))
        {
            await FillAsync(backend.Require<IQueueStore>(), Deep, context.CancellationToken);
        }

        var fillSeconds = filling.Elapsed.TotalSeconds;
        Memory.Settle();
        var starting = Stopwatch.StartNew();
        await using var deep = await BackendRegistry.CreateDefault().OpenAsync(url, cancellationToken: context.CancellationToken);
        var restart = starting.Elapsed.TotalSeconds;
        Memory.Settle();
        var resident = Memory.ResidentMegabytes();

        await using var shallow = await BackendRegistry.CreateDefault().OpenAsync(FileArea.Url(context, "durability=process", "shallow"), cancellationToken: context.CancellationToken);
        await FillAsync(shallow.Require<IQueueStore>(), Shallow, context.CancellationToken);
        var slowdown = await CompareAsync(shallow, deep, context.CancellationToken);
        return
        [
            new Measurement("rss_mb", resident, "MB"),
            new Measurement("restart_s", restart, "s"),
            new Measurement("slowdown", slowdown, "x"),
            new Measurement("filled_per_s", Deep / fillSeconds, "messages/s"),
        ];
    }

    /// <summary>How many times slower cycles are on the second one; they take turns, so that a slow moment of the machine meets both.</summary>
    private static async Task<double> CompareAsync(Backend shallow, Backend deep, CancellationToken cancellationToken)
    {
        await using var shallowSession = await QueueSession.OpenAsync(shallow.Require<IQueueStore>(), "bench", CycleBatch);
        await using var deepSession = await QueueSession.OpenAsync(deep.Require<IQueueStore>(), "bench", CycleBatch);
        var ratios = new List<double>();
        for (var round = 0; round <= Rounds; round++)
        {
            var shallowSeconds = await TimeAsync(shallowSession, cancellationToken);
            var deepSeconds = await TimeAsync(deepSession, cancellationToken);
            if (round > 0)
            {
                ratios.Add(deepSeconds / shallowSeconds);
            }
        }

        return ratios.Order().ElementAt(Rounds / 2);
    }

    private static async Task<double> TimeAsync(QueueSession session, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        await session.CycleAsync(Cycles, cancellationToken);
        return watch.Elapsed.TotalSeconds;
    }

    private static async Task FillAsync(IQueueStore store, int count, CancellationToken cancellationToken)
    {
        var envelopes = new Envelope[FillBatch];
        for (var i = 0; i < FillBatch; i++)
        {
            var body = new byte[BodyBytes];
            Random.Shared.NextBytes(body);
            envelopes[i] = new Envelope(body);
        }

        for (var sent = 0; sent < count; sent += FillBatch)
        {
            await store.EnqueueAsync("bench", envelopes, default, cancellationToken);
        }
    }
}
