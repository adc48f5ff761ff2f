using System.Diagnostics;
using Millrace.Redis;
using Millrace.Redis.Client;
using Millrace.Storage;
using Millrace.Testing.Servers;

namespace Millrace.Bench.Redis;

/// <summary>The client alone: SET of 100 bytes by 64 tasks that share a connection, each of which sends the next when the last was answered.</summary>
internal static class ClientCases
{
    private const int Tasks = 64;
    private const int LatencyCount = 50_000;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(4);
    private static readonly byte[] Body = new byte[100];

    public static async Task<IReadOnlyList<Measurement>> Set64Async(BenchContext context)
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: context.CancellationToken);
        await using var client = await OpenAsync(server, context.CancellationToken);
        await RunAsync(client, WarmUp, perSecond: null, null, context.CancellationToken);
        Memory.Settle();
        var allocated = GC.GetTotalAllocatedBytes(precise: true);
        var rate = await RunAsync(client, Duration, perSecond: null, null, context.CancellationToken);
        allocated = GC.GetTotalAllocatedBytes(precise: true) - allocated;
        var raw = await RedisBenchmark.SetsPerSecondAsync(server.Port, context.CancellationToken);
        return
        [
            Measurement.Against("per_s", rate, "commands/s", "redis-benchmark -P 32 -t set", raw),
            new Measurement("alloc_bytes_per_command", allocated / (rate * Duration.TotalSeconds), "bytes"),
            new Measurement("redis_benchmark_per_s", raw, "commands/s"),
        ];
    }

    /// <summary>At a tenth of the throughput that <c>client-set-64</c> found, or of 400,000 where that has not run.</summary>
    public static async Task<IReadOnlyList<Measurement>> LatencyAsync(BenchContext context)
    {
        const double Expected = 400_000;
        var rate = (context.Earlier.TryGetValue(("client-set-64", "per_s"), out var peak) ? peak : Expected) / 10;
        await using var server = await LocalRedis.StartAsync(cancellationToken: context.CancellationToken);
        await using var client = await OpenAsync(server, context.CancellationToken);
        await RunAsync(client, WarmUp, rate, null, context.CancellationToken);
        var latencies = new Latencies((int)Math.Max(LatencyCount, rate * Duration.TotalSeconds * 2));
        var achieved = await RunAsync(client, Duration, rate, latencies, context.CancellationToken);
        return [.. latencies.ToMeasurements(), new Measurement("at_per_s", achieved, "commands/s")];
    }

    public static ValueTask<IRedisExecutor> OpenAsync(LocalRedis server, CancellationToken cancellationToken) =>
        RedisDialing.OpenAsync(RedisOptions.Parse(BackendUrl.Parse($"redis://{server.EndPoint}")), new BackendContext(), cancellationToken);

    /// <summary>Has 64 tasks send SETs for a while: as fast as they are answered, or at a rate, counting each from when it was to be sent.</summary>
    private static async Task<double> RunAsync(IRedisExecutor client, TimeSpan duration, double? perSecond, Latencies? latencies, CancellationToken cancellationToken)
    {
        var count = 0L;
        var started = Stopwatch.GetTimestamp();
        var end = started + (long)(duration.TotalSeconds * Stopwatch.Frequency);
        var gate = new Lock();
        using var pace = perSecond is { } rate ? new Pace(rate, started, end) : null;
        await Task.WhenAll(Enumerable.Range(0, Tasks).Select(task => Task.Run(
            async () =>
            {
                var key = $"bench:{task}";
                var done = 0L;
                while (Stopwatch.GetTimestamp() < end)
                {
                    var due = pace is null ? 0 : await pace.NextAsync();
                    if (due < 0)
                    {
                        break;
                    }

                    await client.ExecuteAsync(RedisCommand.Create("SET").AddKey(key).Add(Body), cancellationToken);
                    done++;
                    if (latencies is not null)
                    {
                        var elapsed = Stopwatch.GetTimestamp() - due;
                        lock (gate)
                        {
                            latencies.Add(elapsed);
                        }
                    }
                }

                Interlocked.Add(ref count, done);
            },
            cancellationToken)));
        return count / Stopwatch.GetElapsedTime(started).TotalSeconds;
    }
}
