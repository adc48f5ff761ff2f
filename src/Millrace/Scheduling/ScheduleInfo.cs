namespace Millrace.Scheduling;

/// <summary>Whether a schedule is fired.</summary>
public enum ScheduleStatus
{
    /// <summary>It is.</summary>
    Active,

    /// <summary>A user has paused it.</summary>
    Paused,

    /// <summary>Its definition says that it is not.</summary>
    Disabled,

    /// <summary>The application that defined it in code does not define it any more. It is kept, and not fired, until it is removed or defined again.</summary>
    Orphaned,

    /// <summary>It has no further occurrence.</summary>
    Ended,
}

/// <summary>A schedule as it is now.</summary>
public sealed record ScheduleInfo
{
    /// <summary>What it is.</summary>
    public required ScheduleDefinition Definition { get; init; }

    /// <summary>Rises when it is changed what it does, or when, by one or more: the versions of all schedules are of one row of numbers, so that none comes a second time, also after a schedule was removed.</summary>
    public required long Version { get; init; }

    /// <summary>Who defined it: <c>code:APPLICATION</c>, <c>file:NAME</c> or <c>api</c>.</summary>
    public required string Source { get; init; }

    /// <summary>When it was first defined.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Whether it is fired.</summary>
    public required ScheduleStatus Status { get; init; }

    /// <summary>When it is due next; null when it is not fired. Before now: it is overdue.</summary>
    public DateTimeOffset? NextDue { get; init; }

    /// <summary>The occurrences that have not ended, by the ids of their runs.</summary>
    public IReadOnlyList<string> OpenRuns { get; init; } = [];

    /// <summary>How many occurrences were fired, those that somebody asked for among them.</summary>
    public long Fired { get; init; }

    /// <summary>How many runs succeeded.</summary>
    public long Succeeded { get; init; }

    /// <summary>How many runs failed for good.</summary>
    public long Failed { get; init; }

    /// <summary>How many runs were cancelled.</summary>
    public long Cancelled { get; init; }

    /// <summary>How many occurrences were skipped.</summary>
    public long Skipped { get; init; }

    /// <summary>When the last run that has ended was due; null before the first.</summary>
    public DateTimeOffset? LastScheduledAt { get; init; }

    /// <summary>When it ended.</summary>
    public DateTimeOffset? LastFinishedAt { get; init; }

    /// <summary>How it ended.</summary>
    public RunOutcome? LastOutcome { get; init; }

    /// <summary>What went wrong in it.</summary>
    public string? LastError { get; init; }
}
