namespace Millrace.Scheduling;

/// <summary>Which runs to look at. All of the conditions must hold; with none, every run. Immutable.</summary>
public sealed record RunQuery
{
    /// <summary>Only occurrences of this schedule; null: any.</summary>
    public string? Schedule { get; init; }

    /// <summary>Only runs of this job; null: any.</summary>
    public string? Job { get; init; }

    /// <summary>Only this run, with all of its attempts; null: any.</summary>
    public string? Run { get; init; }

    /// <summary>Only those that ended so; null: any.</summary>
    public RunOutcome? Outcome { get; init; }

    /// <summary>Only those that ended at or after this time; null: any.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Only those that ended before this time; null: any.</summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>At most so many on a page, 1 to 1,000; 50 unless set.</summary>
    public int Limit { get; init; } = 50;

    /// <summary><see cref="RunPage.Next"/> of the page before; null for the first.</summary>
    public string? Continuation { get; init; }

    internal bool Matches(RunRecord run) =>
        (Schedule is null || run.Schedule == Schedule)
        && (Job is null || run.Job == Job)
        && (Run is null || run.Run == Run)
        && (Outcome is null || run.Outcome == Outcome)
        && (Since is null || run.FinishedAt >= Since)
        && (Until is null || run.FinishedAt < Until);
}

/// <summary>A page of runs, the newest first.</summary>
/// <param name="Runs">The runs.</param>
/// <param name="Next">The continuation of the next page; null at the end.</param>
public sealed record RunPage(IReadOnlyList<RunRecord> Runs, string? Next);
