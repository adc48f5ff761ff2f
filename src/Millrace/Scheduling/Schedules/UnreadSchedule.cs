namespace Millrace.Scheduling.Schedules;

/// <summary>A schedule of code that is read when the scheduler starts, so that one that is not valid is refused alone.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Read">Reads it; throws if it is not valid.</param>
internal sealed record UnreadSchedule(string Name, Func<ScheduleDefinition> Read);
