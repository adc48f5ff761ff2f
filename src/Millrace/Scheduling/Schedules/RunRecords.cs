namespace Millrace.Scheduling.Schedules;

/// <summary>Makes the records of occurrences that never started.</summary>
internal static class RunRecords
{
    /// <summary>An occurrence that is not run.</summary>
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
    };
}
