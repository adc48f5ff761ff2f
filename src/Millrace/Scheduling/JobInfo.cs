namespace Millrace.Scheduling;

/// <summary>What is known of a job: by its record if it is tracked, else by its message. Immutable; a moment's picture.</summary>
public sealed record JobInfo
{
    /// <summary>The job: the id of its message.</summary>
    public required MessageId Id { get; init; }

    /// <summary>The job's name; null when its message is no job's.</summary>
    public string? Job { get; init; }

    /// <summary>Its queue.</summary>
    public required string Queue { get; init; }

    /// <summary>Where it stands.</summary>
    public required JobState State { get; init; }

    /// <summary>Whether it is tracked. One that is not is forgotten when it has ended well or was cancelled.</summary>
    public bool IsTracked { get; init; }

    /// <summary>The attempts that have begun.</summary>
    public int Attempt { get; init; }

    /// <summary>How much is done, 0 to 1; null if nobody said.</summary>
    public double? Progress { get; init; }

    /// <summary>What is being done; null if nobody said.</summary>
    public string? ProgressText { get; init; }

    /// <summary>What the job returned, as JSON; null if nothing, or not yet.</summary>
    public string? Result { get; init; }

    /// <summary>What went wrong in the last attempt that failed; null if nothing.</summary>
    public string? Error { get; init; }

    /// <summary>When it was enqueued.</summary>
    public DateTimeOffset EnqueuedAt { get; init; }

    /// <summary>When it is due, or was; null: at once.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>When its last attempt started; null if none has, or it is not tracked.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When it ended; null if it has not.</summary>
    public DateTimeOffset? FinishedAt { get; init; }

    /// <summary>Whether it has ended for good.</summary>
    public bool HasEnded => State is JobState.Succeeded or JobState.Failed or JobState.Cancelled;
}
