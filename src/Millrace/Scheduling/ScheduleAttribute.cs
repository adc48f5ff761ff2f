namespace Millrace.Scheduling;

/// <summary>
/// Schedules a job without arguments of its own: read when the class is registered with <c>AddJob</c>, and stored when the scheduler starts. May stand several times, under different names.
/// </summary>
/// <param name="trigger">When it is due, as text: <c>0 3 * * *</c>, <c>@hourly</c>, <c>every 5m</c>; see <see cref="Triggers.Trigger.Parse"/>.</param>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Struct, AllowMultiple = true, Inherited = false)]
public sealed class ScheduleAttribute(string trigger) : Attribute
{
    /// <summary>When it is due.</summary>
    public string Trigger { get; } = trigger;

    /// <summary>The time zone of the trigger, as an IANA id; null, the default: UTC.</summary>
    public string? Zone { get; init; }

    /// <summary>The name of the schedule; null, the default: that of the job.</summary>
    public string? Name { get; init; }

    /// <summary>The queue of the occurrences; null, the default: <see cref="ScheduleDefinition.DefaultQueue"/>.</summary>
    public string? Queue { get; init; }

    /// <summary>Whether there is a record of each run; see <see cref="ScheduleDefinition.Track"/>.</summary>
    public bool Track { get; init; }

    /// <summary>The arguments as JSON; an empty object unless set.</summary>
    public string Arguments { get; init; } = "{}";
}
