namespace Millrace.Scheduling.Schedules;

/// <summary>Makes the records of occurrences that no worker has started.</summary>
internal static class RunRecords
{
    /// <summary>An occurrence that is not run, or several.</summary>
    public static RunRecord Skipped(ScheduleDefinition definition, string id, SkippedOccurrence occurrence, DateTimeOffset now, string node) => new()
    {
        Run = id,
        Job = (definition.Target as JobTarget)?.Job,
        Schedule = definition.Name,
        Queue = definition.Queue,
        Outcome = RunOutcome.Skipped,
        ScheduledAt = occurrence.Due,
        FinishedAt = now,
        Node = node,
        Error = occurrence.Reason,
        Count = occurrence.Count,
        ScheduledUntil = occurrence.Until,
    };

    /// <summary>An occurrence whose plain message is in its queue.</summary>
    public static RunRecord Sent(ScheduleDefinition definition, OpenOccurrence occurrence, DateTimeOffset now, string node) => new()
    {
        Run = occurrence.Id,
        Schedule = definition.Name,
        Queue = occurrence.Queue,
        Outcome = RunOutcome.Sent,
        ScheduledAt = occurrence.Due,
        FinishedAt = now,
        Node = node,
    };
}
