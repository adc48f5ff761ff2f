namespace Millrace.Bench.Files;

/// <summary>The area <c>file</c>: streams and queues in the file backend.</summary>
internal static class FileArea
{
    public static BenchArea Create() => new("file",
    [
        new("stream-append-single", StreamAppendCases.SingleAsync),
        new("stream-append-batch1000", StreamAppendCases.Batch1000Async),
        new("stream-append-64callers", StreamAppendCases.Full64CallersAsync),
        new("stream-scan", StreamReadCases.ScanAsync),
        new("stream-follow", StreamReadCases.FollowAsync),
        new("queue-full-64callers", FileQueueCases.Full64CallersAsync),
        new("queue-full-batch100", FileQueueCases.FullBatch100Async),
        new("queue-full-latency", FileQueueCases.FullLatencyAsync),
        new("queue-10m", FileBacklogCase.RunAsync),
    ]);

    /// <summary>A folder of this run.</summary>
    public static string Url(BenchContext context, string options, string folder = "store") => $"file:{Path.Combine(context.Folder, folder)}?{options}";
}
