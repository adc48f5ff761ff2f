using System.Diagnostics;
using System.Globalization;
using System.Text;
using Millrace.Storage;
using Millrace.Testing.Servers;

namespace Millrace.Bench.Redis;

/// <summary>A thousand messages a second from this process to a consumer in another: from before the send until the other process has the message.</summary>
internal static class RedisLatencyCase
{
    /// <summary>The first argument of the other process, which is this program too.</summary>
    public const string ConsumerArgument = "--redis-latency-consumer";

    private const string Queue = "bench";
    private const int WarmUp = 1000;
    private const int Count = 10_000;
    private const int PerSecond = 1000;

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchContext context)
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: context.CancellationToken);
        var url = $"redis://{server.EndPoint}";
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync(url, cancellationToken: context.CancellationToken);
        var store = backend.Require<IQueueStore>();
        using var consumer = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, Arguments(url)) { RedirectStandardOutput = true })!;
        try
        {
            _ = await consumer.StandardOutput.ReadLineAsync(context.CancellationToken);
            var next = Stopwatch.GetTimestamp();
            for (var i = 0; i < WarmUp + Count; i++)
            {
                next += Stopwatch.Frequency / PerSecond;
                FineSleep.Until(next);

                // The clock is the machine's, the same for both processes.
                var body = new byte[100];
                BitConverter.TryWriteBytes(body, Stopwatch.GetTimestamp());
                await store.EnqueueAsync(Queue, new[] { new Envelope(body) }, default, context.CancellationToken);
            }

            var latencies = new Latencies(Count);
            for (var i = 0; i < Count; i++)
            {
                var line = await consumer.StandardOutput.ReadLineAsync(context.CancellationToken) ?? throw new InvalidOperationException("The consumer's process has ended early.");
                latencies.Add(long.Parse(line, CultureInfo.InvariantCulture));
            }

            return latencies.ToMeasurements();
        }
        finally
        {
            consumer.Kill();
        }
    }

    /// <summary>What the other process does: takes every message, and writes how long each has taken when it has them all.</summary>
    public static async Task ConsumeAsync(string url)
    {
        await using var backend = await BackendRegistry.CreateDefault().OpenAsync(url);
        var store = backend.Require<IQueueStore>();
        await using var receiver = await store.OpenReceiverAsync(Queue, new ReceiverOptions());
        Console.WriteLine("ready");
        var into = new Delivery[64];
        var settlements = new Settlement[64];
        var elapsed = new StringBuilder();
        for (var received = 0; received < WarmUp + Count;)
        {
            var leased = await receiver.LeaseAsync(into, Timeout.InfiniteTimeSpan);
            var now = Stopwatch.GetTimestamp();
            for (var i = 0; i < leased; i++, received++)
            {
                settlements[i] = Settlement.Complete(into[i].Token);
                if (received >= WarmUp)
                {
                    elapsed.Append(CultureInfo.InvariantCulture, $"{now - BitConverter.ToInt64(into[i].Message.Body.Span)}\n");
                }
            }

            await store.SettleAsync(Queue, settlements.AsMemory(0, leased), default);
        }

        await Console.Out.WriteAsync(elapsed);
        await Console.Out.FlushAsync();
    }

    private static string[] Arguments(string url) =>
        Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet" ? [typeof(RedisLatencyCase).Assembly.Location, ConsumerArgument, url] : [ConsumerArgument, url];
}
