namespace Millrace.Bench.Stomp;

/// <summary>The area <c>stomp</c>: a STOMP broker in a process of its own, and the same load on other brokers in the same run.</summary>
internal static class StompArea
{
    public static BenchArea Create() => new(
        "stomp",
        [
            new("memory-auto-100B", LoadCases.MemoryAuto100BytesAsync),
            new("memory-auto-1KiB", LoadCases.MemoryAuto1KibibyteAsync),
            new("memory-individual-100B", LoadCases.MemoryIndividual100BytesAsync),
            new("sqlite-receipts-100B", LoadCases.SqliteReceipts100BytesAsync),
            new("file-receipts-100B", LoadCases.FileReceipts100BytesAsync),
            new("sync-4", LoadCases.Sync4Async),
            new("topic-50", LoadCases.Topic50Async),
            new("idle-10000", IdleConnectionsCase.MeasureAsync),
            new("latency-1000", LatencyCases.ThousandAsync),
            new("latency-10pct", LatencyCases.TenthOfPeakAsync),
        ],
        TakesTarget: true);
}
