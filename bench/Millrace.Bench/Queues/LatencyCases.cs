using System.Diagnostics;
using Millrace.Storage;

namespace Millrace.Bench.Queues;

/// <summary>How long one message takes.</summary>
internal static class LatencyCases
{
    private const int WarmUp = 1000;
    private const int MemoryCount = 10_000;
    private const int MemoryPerSecond = 1000;
    private const int SqliteCount = 5000;

    // The kernel wakes a sleeper up to about 50 µs late, more on a virtual machine.
    private static readonly long Margin = Stopwatch.Frequency / 5000;

    /// <summary>A thousand messages a second to a consumer that waits: from before the send until the consumer has the message.</summary>
    public static async Task<IReadOnlyList<Measurement>> MemoryAsync(BenchContext context)
    {
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync("memory:", cancellationToken: context.CancellationToken);
        await using var producer = await QueueSession.OpenAsync(backend.Require<IQueueStore>(), "bench", 1);
        await using var consumer = await QueueSession.OpenAsync(backend.Require<IQueueStore>(), "bench", 1);
        var latencies = new Latencies(MemoryCount);
        var sentAt = 0L;
        var received = 0;
        var consuming = Task.Run(
            async () =>
            {
                for (var i = 0; i < WarmUp + MemoryCount; i++)
                {
                    var leased = await consumer.LeaseAsync(context.CancellationToken);
                    var elapsed = Stopwatch.GetTimestamp() - Volatile.Read(ref sentAt);
                    if (i >= WarmUp)
                    {
                        latencies.Add(elapsed);
                    }

                    await consumer.CompleteAsync(leased, context.CancellationToken);
                    Volatile.Write(ref received, i + 1);
                }
            },
            context.CancellationToken);

        // A thread of its own that sleeps by the kernel's fine clock and watches the rest of the way: a timer would come in steps of a millisecond and more, and a thread
        // that only watches would hold one of two cores, on which the kernel then lets the woken consumer wait for its turn of 4 ms.
        var producing = Task.Factory.StartNew(
            () =>
            {
                var next = Stopwatch.GetTimestamp();
                for (var i = 0; i < WarmUp + MemoryCount && !consuming.IsCompleted; i++)
                {
                    next += Stopwatch.Frequency / MemoryPerSecond;
                    FineSleep.Until(next - Margin);
                    while (Stopwatch.GetTimestamp() < next || Volatile.Read(ref received) < i)
                    {
                        Thread.SpinWait(20);
                    }

                    Volatile.Write(ref sentAt, Stopwatch.GetTimestamp());
                    producer.SendAsync(context.CancellationToken).AsTask().Wait(context.CancellationToken);
                }
            },
            context.CancellationToken,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        await Task.WhenAll(producing, consuming);
        return latencies.ToMeasurements();
    }

    /// <summary>One caller sends one message after the other: from the call until it is acknowledged, safe from a power cut.</summary>
    public static async Task<IReadOnlyList<Measurement>> SqliteFullAsync(BenchContext context)
    {
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync(QueueArea.SqliteUrl(context, "full"), cancellationToken: context.CancellationToken);
        await using var session = await QueueSession.OpenAsync(backend.Require<IQueueStore>(), "bench", 1);
        var latencies = new Latencies(SqliteCount);
        for (var i = 0; i < WarmUp + SqliteCount; i++)
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
}
