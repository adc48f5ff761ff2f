namespace Millrace.Bench.Server;

/// <summary>The area <c>server</c>: a server in a process of its own, and its clients in this one.</summary>
internal static class ServerArea
{
    public static BenchArea Create() => new("server",
    [
        new("idle", IdleCase.MeasureAsync),
        new("http-memory-batch100", HttpThroughputCases.Batch100Async),
        new("http-memory-64callers", HttpThroughputCases.SixtyFourCallersAsync),
        new("http-latency", HttpLatencyCase.MeasureAsync),
        new("sse-fanout", FanoutCase.MeasureAsync),
    ]);
}
