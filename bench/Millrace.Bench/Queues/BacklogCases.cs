using System.Diagnostics;
using Millrace.Storage;

namespace Millrace.Bench.Queues;

/// <summary>
/// Whether dequeueing slows down as the backlog grows: the rate of full cycles at a constant depth of 1,000 ready messages over that at 1,000,000, and over that
/// with 1,000,000 more scheduled in the future. 1 is no slowdown.
/// </summary>
internal static class BacklogCases
{
    private const int Shallow = 1000;
    private const int Deep = 1_000_000;
    private const int FillBatch = 1000;
    private const int Rounds = 5;

    public static Task<IReadOnlyList<Measurement>> MemoryAsync(BenchContext context) =>
        MeasureAsync(_ => "memory:", batch: 1, cycles: 300_000, context);

    // Without flushes, which would hide what the backlog costs; a hundred at a time, as the dispatcher works.
    public static Task<IReadOnlyList<Measurement>> SqliteAsync(BenchContext context) =>
        MeasureAsync(name => $"sqlite:{Path.Combine(context.Folder, name)}.db?durability=process", batch: 100, cycles: 50_000, context);

    private static async Task<IReadOnlyList<Measurement>> MeasureAsync(Func<string, string> urlOf, int batch, int cycles, BenchContext context)
    {
        await using var shallow = await Depth.OpenAsync(urlOf("shallow"), Shallow, 0, batch, context.CancellationToken);
        await using var ready = await Depth.OpenAsync(urlOf("ready"), Deep, 0, batch, context.CancellationToken);
        await using var scheduled = await Depth.OpenAsync(urlOf("scheduled"), Shallow, Deep, batch, context.CancellationToken);
        Memory.Settle();

        // All stand side by side in one process and take turns, so that a slow moment of the machine, and the collector's work, meet each of them.
        for (var round = 0; round <= Rounds; round++)
        {
            foreach (var depth in (Depth[])[shallow, ready, scheduled])
            {
                await depth.RunAsync(cycles / Rounds, isWarmUp: round == 0, context.CancellationToken);
            }
        }

        var slowdownReady = shallow.Rate / ready.Rate;
        var slowdownScheduled = shallow.Rate / scheduled.Rate;
        return
        [
            new Measurement("slowdown", Math.Max(slowdownReady, slowdownScheduled), "x"),
            new Measurement("slowdown_ready", slowdownReady, "x"),
            new Measurement("slowdown_scheduled", slowdownScheduled, "x"),
            new Measurement("shallow_per_s", shallow.Rate, "messages/s"),
        ];
    }

    /// <summary>A store with a backlog.</summary>
    private sealed class Depth(Backend backend, QueueSession session) : IAsyncDisposable
    {
        private readonly List<double> _rates = [];

        /// <summary>The median of its rounds.</summary>
        public double Rate => _rates.Order().ElementAt(_rates.Count / 2);

        public static async Task<Depth> OpenAsync(string url, int ready, int scheduled, int batch, CancellationToken cancellationToken)
        {
            var backend = await BackendRegistry.CreateDefault().OpenAsync(url, cancellationToken: cancellationToken);
            var store = backend.Require<IQueueStore>();
            await FillAsync(store, QueueArea.Envelopes(FillBatch), ready, cancellationToken);
            await FillAsync(store, QueueArea.Envelopes(FillBatch, TimeSpan.FromHours(1)), scheduled, cancellationToken);
            return new Depth(backend, await QueueSession.OpenAsync(store, "bench", batch));
        }

        public async Task RunAsync(int cycles, bool isWarmUp, CancellationToken cancellationToken)
        {
            var watch = Stopwatch.StartNew();
            await session.CycleAsync(cycles, cancellationToken);
            if (!isWarmUp)
            {
                _rates.Add(cycles / watch.Elapsed.TotalSeconds);
            }
        }

        public async ValueTask DisposeAsync()
        {
            await session.DisposeAsync();
            await backend.DisposeAsync();
        }

        private static async Task FillAsync(IQueueStore store, Envelope[] envelopes, int count, CancellationToken cancellationToken)
        {
            for (var sent = 0; sent < count; sent += envelopes.Length)
            {
                await store.EnqueueAsync("bench", envelopes, default, cancellationToken);
            }
        }
    }
}
