namespace Millrace.Bench.Scheduler;

/// <summary>The area <c>scheduler</c>: when schedules are due, and what runs them.</summary>
internal static class SchedulerArea
{
    public static BenchArea Create() => new("scheduler",
    [
        // First: it measures the memory of the process.
        new("schedules-200k", ScheduleCases.ManyAsync),
        new("memory-oneshot", JobCases.MemoryOneshotAsync),
        new("memory-burst", JobCases.MemoryBurstAsync),
        new("memory-due", JobCases.MemoryDueAsync),
        new("durable-oneshot", JobCases.DurableOneshotAsync),
        new("durable-due", JobCases.DurableDueAsync),
        new("cron-next", CronCases.NextAsync),
        new("cron-rare", CronCases.RareAsync),
    ]);
}
