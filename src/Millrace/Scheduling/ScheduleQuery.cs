namespace Millrace.Scheduling;

/// <summary>Which schedules to list. Immutable; everything unless set.</summary>
public sealed record ScheduleQuery
{
    /// <summary>Those whose names begin with this; empty, the default: any.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>Those that have this tag; null, the default: any.</summary>
    public string? Tag { get; init; }

    /// <summary>Those with this status; null, the default: any.</summary>
    public ScheduleStatus? Status { get; init; }
}
