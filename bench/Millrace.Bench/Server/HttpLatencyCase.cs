using System.Collections.Concurrent;
using System.Diagnostics;
using Millrace.Bench.Queues;
using Millrace.Storage;

namespace Millrace.Bench.Server;

/// <summary>How long one message takes through a server.</summary>
internal static class HttpLatencyCase
{
    private const int WarmUp = 4000;
    private const int Count = 5000;
    private const int PerSecond = 500;

    // As in the latency cases of queues: the kernel wakes a sleeper late.
    private static readonly long Margin = Stopwatch.Frequency / 5000;

    /// <summary>500 messages a second, sent whether or not the one before has arrived, to a consumer that long-polls: from when it was to be sent until the consumer has it.</summary>
    public static async Task<IReadOnlyList<Measurement>> MeasureAsync(BenchContext context)
    {
        await using var server = await ServerProcess.StartAsync("memory:", context.CancellationToken);
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync(server.Url, cancellationToken: context.CancellationToken);
        var store = backend.Require<IQueueStore>();
        await using var consumer = await QueueSession.OpenAsync(store, "bench", 1);
        var latencies = new Latencies(Count);
        var due = new ConcurrentQueue<long>();
        var consuming = Task.Run(
            async () =>
            {
                for (var i = 0; i < WarmUp + Count; i++)
                {
                    var leased = await consumer.LeaseAsync(context.CancellationToken);
                    var now = Stopwatch.GetTimestamp();
                    due.TryDequeue(out var sentAt);
                    if (i >= WarmUp)
                    {
                        latencies.Add(now - sentAt);
                    }

                    await consumer.CompleteAsync(leased, context.CancellationToken);
                }
            },
            context.CancellationToken);
        var sending = Task.Factory.StartNew(() => Send(store, due, context.CancellationToken), context.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await Task.WhenAll(await sending);
        await consuming;
        return latencies.ToMeasurements();
    }

    private static List<Task> Send(IQueueStore store, ConcurrentQueue<long> due, CancellationToken cancellationToken)
    {
        var body = QueueArea.Envelopes(1);
        var sends = new List<Task>(WarmUp + Count);
        var next = Stopwatch.GetTimestamp();
        for (var i = 0; i < WarmUp + Count; i++)
        {
            next += Stopwatch.Frequency / PerSecond;
            FineSleep.Until(next - Margin);
            while (Stopwatch.GetTimestamp() < next)
            {
                Thread.SpinWait(20);
            }

            due.Enqueue(next);
            sends.Add(store.EnqueueAsync("bench", body, default, cancellationToken).AsTask());
        }

        return sends;
    }
}
