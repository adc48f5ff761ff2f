namespace Millrace.Scheduling.History;

/// <summary>A <see cref="RunRecord"/> on its way into the history, as a plain value: most runs are written once and never read.</summary>
internal readonly record struct RunEntry
{
    public required MessageId Run { get; init; }

    public string? Job { get; init; }

    public string? Schedule { get; init; }

    public required string Queue { get; init; }

    public required RunOutcome Outcome { get; init; }

    public required DateTimeOffset ScheduledAt { get; init; }

    /// <summary>How many more than one it stands for.</summary>
    public long More { get; init; }

    public DateTimeOffset? ScheduledUntil { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    public required DateTimeOffset FinishedAt { get; init; }

    public TimeSpan? Duration { get; init; }

    public required string Node { get; init; }

    public int Attempt { get; init; }

    public string? Error { get; init; }

    public string? Result { get; init; }

    public static RunEntry Of(RunRecord run) => new()
    {
        Run = run.Run,
        Job = run.Job,
        Schedule = run.Schedule,
        Queue = run.Queue,
        Outcome = run.Outcome,
        ScheduledAt = run.ScheduledAt,
        More = run.Count - 1,
        ScheduledUntil = run.ScheduledUntil,
        StartedAt = run.StartedAt,
        FinishedAt = run.FinishedAt,
        Duration = run.Duration,
        Node = run.Node,
        Attempt = run.Attempt,
        Error = run.Error,
        Result = run.Result,
    };

    public RunRecord ToRecord() => new()
    {
        Run = Run.ToString(),
        Job = Job,
        Schedule = Schedule,
        Queue = Queue,
        Outcome = Outcome,
        ScheduledAt = ScheduledAt,
        Count = More + 1,
        ScheduledUntil = ScheduledUntil,
        StartedAt = StartedAt,
        FinishedAt = FinishedAt,
        Duration = Duration,
        Node = Node,
        Attempt = Attempt,
        Error = Error,
        Result = Result,
    };
}
