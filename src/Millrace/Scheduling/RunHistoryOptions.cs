using Millrace.Storage;

namespace Millrace.Scheduling;

/// <summary>How the history of runs is kept: a record for each attempt that ended and each occurrence that was skipped, in a stream. Immutable.</summary>
public sealed record RunHistoryOptions
{
    /// <summary>The stream.</summary>
    public const string Stream = "millrace-runs";

    /// <summary>Whether it is kept; true unless set. Without streams in the backend it is not, which is said in the log.</summary>
    public bool IsEnabled { get; init; } = true;

    /// <summary>How long records are kept; unless set, as the stream says that is there, and 30 days where this makes it.</summary>
    public TimeSpan? MaxAge { get; init; }

    /// <summary>The most records that are kept; unless set, as the stream says that is there, and a million where this makes it.</summary>
    public long? MaxRecords { get; init; }

    /// <summary>What a stream is made with.</summary>
    internal StreamRetention NewRetention => RetentionOver(new StreamRetention { MaxAge = TimeSpan.FromDays(30), MaxRecords = 1_000_000 });

    /// <summary>What a stream that is there shall keep: what was set, and else what it does keep, for another application may have said that.</summary>
    internal StreamRetention RetentionOver(StreamRetention kept) => kept with { MaxAge = MaxAge ?? kept.MaxAge, MaxRecords = MaxRecords ?? kept.MaxRecords };
}
