namespace Millrace.Scheduling;

/// <summary>One run of a job, one plain message that a schedule sent, or occurrences that were skipped, as the history keeps them. Immutable.</summary>
public sealed record RunRecord
{
    /// <summary>The run: the id of its message. Attempts of one run share it.</summary>
    public required string Run { get; init; }

    /// <summary>The job's name; null for a plain message.</summary>
    public string? Job { get; init; }

    /// <summary>The schedule; null for a job that was enqueued by itself.</summary>
    public string? Schedule { get; init; }

    /// <summary>The queue.</summary>
    public required string Queue { get; init; }

    /// <summary>How it ended.</summary>
    public required RunOutcome Outcome { get; init; }

    /// <summary>When it was due; the first one, where it stands for several.</summary>
    public required DateTimeOffset ScheduledAt { get; init; }

    /// <summary>How many occurrences it stands for: 1, or many that were skipped at once for the same reason.</summary>
    public long Count { get; init; } = 1;

    /// <summary>When the last of several was due; null if it is one.</summary>
    public DateTimeOffset? ScheduledUntil { get; init; }

    /// <summary>When the attempt started; null if it never did.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When it ended, or was skipped.</summary>
    public required DateTimeOffset FinishedAt { get; init; }

    /// <summary>How long the attempt took; null if it never started.</summary>
    public TimeSpan? Duration { get; init; }

    /// <summary>Where it ran.</summary>
    public required string Node { get; init; }

    /// <summary>Which attempt it was, from 1; 0 if it never started.</summary>
    public int Attempt { get; init; }

    /// <summary>What went wrong, or why it was skipped; null for success.</summary>
    public string? Error { get; init; }

    /// <summary>What the job returned, as JSON; null if nothing.</summary>
    public string? Result { get; init; }
}
