namespace Millrace.Bench.Scheduler;

/// <summary>The area <c>scheduler</c>: when schedules are due, and what runs them.</summary>
internal static class SchedulerArea
{
    public static BenchArea Create() => new("scheduler",
    [
        new("cron-next", CronCases.NextAsync),
        new("cron-rare", CronCases.RareAsync),
    ]);
}
