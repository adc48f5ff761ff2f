namespace Millrace.Scheduling.Schedules;

/// <summary>An occurrence that is not run, or several in a row, and why.</summary>
/// <param name="Due">When the first one was due.</param>
/// <param name="Reason">Why; see <see cref="SkipReason"/>.</param>
/// <param name="Count">How many there are.</param>
/// <param name="Until">When the last of several was due.</param>
internal readonly record struct SkippedOccurrence(DateTimeOffset Due, string Reason, long Count = 1, DateTimeOffset? Until = null);
