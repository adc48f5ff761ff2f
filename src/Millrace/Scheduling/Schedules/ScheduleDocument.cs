namespace Millrace.Scheduling.Schedules;

/// <summary>A schedule as it is stored: its definition, and what has been done with it. Immutable.</summary>
internal sealed record ScheduleDocument
{
    public required ScheduleDefinition Definition { get; init; }

    /// <summary>Rises when it is changed what is done, or when. No version of a name comes a second time, so that no id of an occurrence does.</summary>
    public required long Version { get; init; }

    /// <summary>
    /// The version with which it was created: occurrences and a cursor of a lower one belong to a schedule of the same name that was removed. 0 where that is not known.
    /// </summary>
    public required long FirstVersion { get; init; }

    /// <summary>Since when this version holds: nothing that was due before is fired.</summary>
    public required DateTimeOffset Since { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Who defined it: <c>code:APPLICATION</c>, <c>file:NAME</c> or <c>api</c>.</summary>
    public required string Source { get; init; }

    /// <summary>Since when it is paused.</summary>
    public DateTimeOffset? PausedAt { get; init; }

    /// <summary>Since when its source does not define it any more.</summary>
    public DateTimeOffset? OrphanedAt { get; init; }

    /// <summary>Whether a version is one of this schedule, and not of one of the same name that was removed.</summary>
    public bool HasHad(long version) => version >= FirstVersion && version <= Version;

    /// <summary>Whether occurrences are fired now.</summary>
    public bool IsFiring => Definition.IsEnabled && PausedAt is null && OrphanedAt is null;

    /// <summary>The first occurrence after an instant, within the time of the schedule; null when there is none.</summary>
    public DateTimeOffset? Next(DateTimeOffset after)
    {
        // An occurrence at the start itself counts.
        var from = Definition.Start is { } start && start > after ? start.AddTicks(-1) : after;
        return Definition.Trigger.Next(from) is { } next && (Definition.End is not { } end || next < end) ? next : null;
    }

    /// <summary>When an occurrence is fired: when it is due, and its share of the jitter later.</summary>
    public DateTimeOffset FireTimeOf(DateTimeOffset due) =>
        Definition.Jitter == TimeSpan.Zero ? due
        : due > DateTimeOffset.MaxValue - Definition.Jitter ? DateTimeOffset.MaxValue
        : due + JitterOf(due);

    /// <summary>Whether a definition does the same at the same times, so that its occurrences go on.</summary>
    public bool DoesTheSame(ScheduleDefinition other) =>
        Definition.Trigger.Equals(other.Trigger)
        && Definition.Target.Equals(other.Target)
        && (Definition.Start, Definition.End, Definition.Jitter) == (other.Start, other.End, other.Jitter);

    // Alike on every node and in every process: FNV-1a over the name and the due time.
    private TimeSpan JitterOf(DateTimeOffset due)
    {
        const ulong offsetBasis = 14_695_981_039_346_656_037;
        const ulong prime = 1_099_511_628_211;
        var hash = offsetBasis;
        foreach (var c in Definition.Name)
        {
            hash = (hash ^ c) * prime;
        }

        hash = (hash ^ (ulong)due.ToUnixTimeMilliseconds()) * prime;
        hash ^= hash >> 32;
        return TimeSpan.FromTicks((long)(hash % (ulong)Definition.Jitter.Ticks));
    }
}
