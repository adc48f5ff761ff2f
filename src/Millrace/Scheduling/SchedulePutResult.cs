namespace Millrace.Scheduling;

/// <summary>What became of one of many definitions.</summary>
/// <param name="Name">The schedule.</param>
/// <param name="Change">What has changed.</param>
/// <param name="Error">Why the definition was refused; null if it was not.</param>
public sealed record SchedulePutResult(string Name, ScheduleChange Change, MillraceException? Error);
