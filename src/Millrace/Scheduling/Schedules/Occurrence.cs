namespace Millrace.Scheduling.Schedules;

/// <summary>One occurrence of a schedule.</summary>
/// <param name="Schedule">The schedule.</param>
/// <param name="Version">The version of its definition.</param>
/// <param name="Due">When it is due, or when somebody asked for it.</param>
/// <param name="Id">The id of its message, and of its run.</param>
internal readonly record struct Occurrence(string Schedule, long Version, DateTimeOffset Due, string Id)
{
    /// <summary>Whether an attempt at it has been counted before this one.</summary>
    public bool HasStarted { get; init; }

    /// <summary>Whether it had failed, and its dead letter was redriven: it runs again, whatever has been fired since.</summary>
    public bool IsRedriven { get; init; }
}
