namespace Millrace.Bench.Redis;

/// <summary>The area <c>redis</c>: the client, queues and streams on a Redis server on this machine, which keeps everything in memory only.</summary>
internal static class RedisArea
{
    public static BenchArea Create() => new("redis",
    [
        new("client-set-64", ClientCases.Set64Async),
        new("client-latency", ClientCases.LatencyAsync),
        new("queue-batch100", RedisQueueCases.Batch100Async),
        new("queue-64callers", RedisQueueCases.Callers64Async),
        new("queue-latency", RedisLatencyCase.RunAsync),
        new("stream-append-batch100", RedisStreamCases.AppendBatch100Async),
        new("stream-read", RedisStreamCases.ReadAsync),
        new("two-nodes", TwoNodesCase.RunAsync),
    ]);
}
