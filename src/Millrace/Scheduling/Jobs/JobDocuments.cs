using System.Text.Json;
using System.Text.Json.Serialization;

namespace Millrace.Scheduling.Jobs;

/// <summary>The record of a tracked job, as it is stored, or of one that was not tracked and has failed: so that its message is a dead letter, whatever comes between.</summary>
internal sealed record JobDocument
{
    /// <summary>The value of the header that names the job.</summary>
    public required string Job { get; init; }

    public required string Queue { get; init; }

    public required JobState State { get; init; }

    public int Attempt { get; init; }

    public double? Progress { get; init; }

    public string? Text { get; init; }

    public string? Error { get; init; }

    public required DateTimeOffset EnqueuedAt { get; init; }

    public DateTimeOffset? DueAt { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>Continuations that were added after the job was enqueued.</summary>
    public IReadOnlyList<JobFollowUp>? Next { get; init; }

    /// <summary>How it ended; null while it lives.</summary>
    public RunRecord? Ended { get; init; }

    /// <summary>The reason of its dead letter, if it has failed.</summary>
    public string? Reason { get; init; }

    /// <summary>Whether nobody asked for the record.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Untracked { get; init; }

    /// <summary>Whether its message is known to have become a dead letter after it failed: when it comes again it was redriven, and is not the rest of a crash.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Buried { get; init; }

    /// <summary>Whether it failed once, and runs again because its dead letter was redriven.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Redriven { get; init; }

    public JobInfo ToInfo(string id) => new()
    {
        Id = id,
        Job = Job,
        Queue = Queue,
        State = State,
        IsTracked = !Untracked,
        Attempt = Attempt,
        Progress = Progress,
        ProgressText = Text,
        Result = Ended?.Result,
        Error = Ended is null ? Error : Ended.Error,
        EnqueuedAt = EnqueuedAt,
        DueAt = DueAt,
        StartedAt = StartedAt,
        FinishedAt = Ended?.FinishedAt,
    };
}

/// <summary>The one live job with a unique key, as it is stored.</summary>
internal sealed record UniqueDocument
{
    public required string Id { get; init; }

    public required string Queue { get; init; }

    public required DateTimeOffset At { get; init; }

    /// <summary>How it ended, from its end until the document is deleted.</summary>
    public RunRecord? Ended { get; init; }
}

/// <summary>A batch, as it is stored.</summary>
internal sealed record BatchDocument
{
    public required int Count { get; init; }

    /// <summary>What follows it; null for nothing.</summary>
    public JobFollowUp? Completion { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>For each part the number of its members that have failed; missing while some of them live.</summary>
    public required IReadOnlyDictionary<int, int> Parts { get; init; }

    /// <summary>When the last member had ended and what follows was enqueued.</summary>
    public DateTimeOffset? EndedAt { get; init; }
}

/// <summary>The mark that a job is to be cancelled, or since when it is due after it was put to another time, as it is stored.</summary>
internal sealed record MarkDocument(DateTimeOffset At);

/// <summary>When the next token of a rate limit is free, as it is stored.</summary>
internal sealed record RateDocument(DateTimeOffset Next);

/// <summary>Reads and writes the documents.</summary>
internal static class JobDocuments
{
    public static byte[] Write(JobDocument document) => JsonSerializer.SerializeToUtf8Bytes(document, JobJson.Default.JobDocument);

    public static byte[] Write(UniqueDocument document) => JsonSerializer.SerializeToUtf8Bytes(document, JobJson.Default.UniqueDocument);

    public static byte[] Write(BatchDocument document) => JsonSerializer.SerializeToUtf8Bytes(document, JobJson.Default.BatchDocument);

    public static byte[] Write(MarkDocument document) => JsonSerializer.SerializeToUtf8Bytes(document, JobJson.Default.MarkDocument);

    public static byte[] Write(RateDocument document) => JsonSerializer.SerializeToUtf8Bytes(document, JobJson.Default.RateDocument);

    public static JobDocument ReadJob(ReadOnlyMemory<byte> value) => JsonSerializer.Deserialize(value.Span, JobJson.Default.JobDocument) ?? throw Empty("job");

    public static UniqueDocument ReadUnique(ReadOnlyMemory<byte> value) => JsonSerializer.Deserialize(value.Span, JobJson.Default.UniqueDocument) ?? throw Empty("unique key");

    public static BatchDocument ReadBatch(ReadOnlyMemory<byte> value) => JsonSerializer.Deserialize(value.Span, JobJson.Default.BatchDocument) ?? throw Empty("batch");

    public static MarkDocument ReadMark(ReadOnlyMemory<byte> value) => JsonSerializer.Deserialize(value.Span, JobJson.Default.MarkDocument) ?? throw Empty("mark");

    public static RateDocument ReadRate(ReadOnlyMemory<byte> value) => JsonSerializer.Deserialize(value.Span, JobJson.Default.RateDocument) ?? throw Empty("rate limit");

    private static StorageCorruptException Empty(string what) => new($"The document of a {what} is the JSON value null.");
}
