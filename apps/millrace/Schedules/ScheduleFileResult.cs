using Millrace.Scheduling;

namespace Millrace.App.Schedules;

/// <summary>What became of the schedules of a file.</summary>
/// <param name="Source">What they are said to come from.</param>
/// <param name="Results">One a definition; those that were refused first.</param>
/// <param name="Orphans">The schedules that the file defined before and does not any more.</param>
internal sealed record ScheduleFileResult(string Source, IReadOnlyList<SchedulePutResult> Results, IReadOnlyList<string> Orphans);
