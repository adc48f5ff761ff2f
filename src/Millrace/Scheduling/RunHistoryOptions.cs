using Millrace.Storage;

namespace Millrace.Scheduling;

/// <summary>How the history of runs is kept: a record for each attempt that ended and each occurrence that was skipped, in a stream. Immutable.</summary>
public sealed record RunHistoryOptions
{
    /// <summary>The stream.</summary>
    public const string Stream = "millrace-runs";

    /// <summary>Whether it is kept; true unless set. Without streams in the backend it is not, which is said in the log.</summary>
    public bool IsEnabled { get; init; } = true;

    /// <summary>How long records are kept; 30 days unless set.</summary>
    public TimeSpan MaxAge { get; init; } = TimeSpan.FromDays(30);

    /// <summary>The most records that are kept; a million unless set.</summary>
    public long MaxRecords { get; init; } = 1_000_000;

    internal StreamRetention Retention => new() { MaxAge = MaxAge, MaxRecords = MaxRecords };
}
