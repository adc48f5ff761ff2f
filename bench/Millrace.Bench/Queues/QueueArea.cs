namespace Millrace.Bench.Queues;

/// <summary>The area <c>queue</c>: queue stores, by URL.</summary>
internal static class QueueArea
{
    /// <summary>The bodies of all cases.</summary>
    public const int BodyBytes = 100;

    public static BenchArea Create() => new("queue",
    [
        new("memory-single", ThroughputCases.MemorySingleAsync),
        new("memory-batch64", ThroughputCases.MemoryBatch64Async),
        new("memory-latency", LatencyCases.MemoryAsync),
        new("memory-backlog", BacklogCases.MemoryAsync),
        new("sqlite-full-batch100", DurableCases.FullBatch100Async),
        new("sqlite-full-64callers", DurableCases.Full64CallersAsync),
        new("sqlite-full-latency", LatencyCases.SqliteFullAsync),
        new("sqlite-process-64callers", DurableCases.Process64CallersAsync),
        new("sqlite-backlog", BacklogCases.SqliteAsync),
    ]);

    /// <summary>A database of this run.</summary>
    public static string SqliteUrl(BenchContext context, string durability) =>
        $"sqlite:{Path.Combine(context.Folder, $"{durability}.db")}?durability={durability}";

    /// <summary>So many messages with a body each.</summary>
    public static Envelope[] Envelopes(int count, TimeSpan delay = default)
    {
        var envelopes = new Envelope[count];
        for (var i = 0; i < count; i++)
        {
            var body = new byte[BodyBytes];
            Random.Shared.NextBytes(body);
            envelopes[i] = new Envelope(body) { Delay = delay };
        }

        return envelopes;
    }
}
