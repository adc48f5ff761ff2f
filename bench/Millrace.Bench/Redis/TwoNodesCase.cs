using Millrace.Bench.Stomp;
using Millrace.Testing.Servers;

namespace Millrace.Bench.Redis;

/// <summary>STOMP clients of one queue, on one node over Redis, and spread over two nodes that share it: producers on one, consumers on the other.</summary>
internal static class TwoNodesCase
{
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(5);
    private static readonly LoadPlan Plan = new() { Persistent = true };

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchContext context)
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: context.CancellationToken);
        double one, two;
        await using (var node = await MeasuredBroker.StartAsync(context, $"redis://{server.EndPoint}/0?prefix=one"))
        {
            one = (await LoadGenerator.RunAsync(node, Plan, WarmUp, Duration, context.CancellationToken)).PerSecond;
        }

        await using (var first = await MeasuredBroker.StartAsync(context, $"redis://{server.EndPoint}/0?prefix=two"))
        await using (var second = await MeasuredBroker.StartAsync(context, $"redis://{server.EndPoint}/0?prefix=two"))
        {
            two = (await LoadGenerator.RunAsync(first, Plan with { ConsumeFrom = second.Endpoint }, WarmUp, Duration, context.CancellationToken)).PerSecond;
        }

        return [new Measurement("one_node_per_s", one, "messages/s"), Measurement.Against("per_s", two, "messages/s", "one node", one)];
    }
}
