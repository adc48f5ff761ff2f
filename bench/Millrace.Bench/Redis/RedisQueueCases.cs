using System.Diagnostics;
using Millrace.Bench.Queues;
using Millrace.Redis.Client;
using Millrace.Testing.Servers;

namespace Millrace.Bench.Redis;

/// <summary>Full cycles of a queue: enqueue, lease, complete. Beside them, what the same client makes of plain LPUSH and RPOP, which lose what a worker dies with.</summary>
internal static class RedisQueueCases
{
    private const int Callers = 64;
    private const int BatchCallers = 16;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(4);
    private static readonly byte[] Body = new byte[100];

    /// <summary>Sixteen callers, each a hundred messages at a time.</summary>
    public static Task<IReadOnlyList<Measurement>> Batch100Async(BenchContext context) => CyclesAsync(BatchCallers, batch: 100, context);

    /// <summary>Sixty-four callers, each one message at a time.</summary>
    public static Task<IReadOnlyList<Measurement>> Callers64Async(BenchContext context) => CyclesAsync(Callers, batch: 1, context);

    private static async Task<IReadOnlyList<Measurement>> CyclesAsync(int callers, int batch, BenchContext context)
    {
        double rate, allocated;
        await using var server = await LocalRedis.StartAsync(cancellationToken: context.CancellationToken);
        (rate, allocated) = await DurableCases.MeasureAsync($"redis://{server.EndPoint}", callers, batch, context);
        await using var client = await ClientCases.OpenAsync(server, context.CancellationToken);
        await RunListsAsync(client, callers, batch, WarmUp, context.CancellationToken);
        var raw = await RunListsAsync(client, callers, batch, Duration, context.CancellationToken);
        return
        [
            Measurement.Against("per_s", rate, "messages/s", "LPUSH and RPOP by the same client", raw),
            new Measurement("alloc_bytes_per_message", allocated, "bytes"),
            new Measurement("raw_per_s", raw, "messages/s"),
        ];
    }

    private static async Task<double> RunListsAsync(IRedisExecutor client, int callers, int batch, TimeSpan duration, CancellationToken cancellationToken)
    {
        var count = 0L;
        var watch = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(
            async () =>
            {
                while (watch.Elapsed < duration)
                {
                    var push = RedisCommand.Create("LPUSH").AddKey("list");
                    for (var i = 0; i < batch; i++)
                    {
                        push.Add(Body);
                    }

                    await client.ExecuteAsync(push, cancellationToken);
                    await client.ExecuteAsync(RedisCommand.Create("RPOP").AddKey("list").Add(batch), cancellationToken);
                    Interlocked.Add(ref count, batch);
                }
            },
            cancellationToken)));
        return count / watch.Elapsed.TotalSeconds;
    }
}
