using System.Diagnostics;
using System.Threading.Channels;
using Millrace.Storage;

namespace Millrace.Bench.Queues;

/// <summary>One producer and one consumer on two threads, against a bare channel of the framework.</summary>
/// <remarks>
/// The producer stays at most <see cref="MaxAhead"/> messages ahead, in the channel too. Without that the figure is one of the collector's, which must copy
/// whatever backlog the faster side happens to build up; what a backlog costs is measured by itself.
/// </remarks>
internal static class ThroughputCases
{
    private const int MaxAhead = 1024;
    private const string Baseline = "Channel<T>";
    private const int WarmUp = 300_000;
    private const int SingleCount = 3_000_000;
    private const int BatchCount = 64 * 150_000;

    public static Task<IReadOnlyList<Measurement>> MemorySingleAsync(BenchContext context) => MeasureAsync(SingleCount, 1, context);

    public static Task<IReadOnlyList<Measurement>> MemoryBatch64Async(BenchContext context) => MeasureAsync(BatchCount, 64, context);

    private static async Task<IReadOnlyList<Measurement>> MeasureAsync(int count, int batch, BenchContext context)
    {
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync("memory:", cancellationToken: context.CancellationToken);
        var store = backend.Require<IQueueStore>();
        await using var producer = await QueueSession.OpenAsync(store, "bench", batch);
        await using var consumer = await QueueSession.OpenAsync(store, "bench", batch);
        await RunAsync(producer, consumer, WarmUp / batch, batch, context.CancellationToken);
        Memory.Settle();

        var allocated = GC.GetTotalAllocatedBytes(precise: true);
        var seconds = await RunAsync(producer, consumer, count / batch, batch, context.CancellationToken);
        allocated = GC.GetTotalAllocatedBytes(precise: true) - allocated;

        await RunChannelAsync(WarmUp);
        Memory.Settle();
        var bare = count / await RunChannelAsync(count);
        return
        [
            Measurement.Against("per_s", count / seconds, "messages/s", Baseline, bare),
            new Measurement("alloc_bytes_per_message", (double)allocated / count, "bytes"),
            new Measurement("channel_per_s", bare, "messages/s"),
        ];
    }

    private static async Task<double> RunAsync(QueueSession producer, QueueSession consumer, int batches, int batch, CancellationToken cancellationToken)
    {
        var start = consumer.Completed;
        var watch = Stopwatch.StartNew();
        var consuming = Task.Run(() => consumer.ConsumeAsync((long)batches * batch, cancellationToken), cancellationToken);
        var producing = Task.Run(
            async () =>
            {
                var waiting = default(SpinWait);
                for (var i = 0L; i < batches; i++)
                {
                    while (((i + 1) * batch) - (consumer.Completed - start) > MaxAhead && !consuming.IsCompleted)
                    {
                        waiting.SpinOnce(sleep1Threshold: -1);
                    }

                    await producer.SendAsync(cancellationToken);
                }
            },
            cancellationToken);
        await Task.WhenAll(producing, consuming);
        return watch.Elapsed.TotalSeconds;
    }

    /// <summary>The same bodies, copied as a store must copy them, through a bare channel: no leases, no settlements, no order but first in, first out.</summary>
    private static async Task<double> RunChannelAsync(int count)
    {
        var channel = Channel.CreateUnbounded<byte[]>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        var body = new byte[QueueArea.BodyBytes];
        var completed = 0L;
        var watch = Stopwatch.StartNew();
        var reading = Task.Run(async () =>
        {
            for (var i = 0; i < count; i++)
            {
                await channel.Reader.ReadAsync();
                Volatile.Write(ref completed, i + 1);
            }
        });
        var writing = Task.Run(async () =>
        {
            var waiting = default(SpinWait);
            for (var i = 0; i < count; i++)
            {
                while (i + 1 - Volatile.Read(ref completed) > MaxAhead)
                {
                    waiting.SpinOnce(sleep1Threshold: -1);
                }

                await channel.Writer.WriteAsync(body.AsSpan().ToArray());
            }
        });
        await Task.WhenAll(writing, reading);
        return watch.Elapsed.TotalSeconds;
    }
}
