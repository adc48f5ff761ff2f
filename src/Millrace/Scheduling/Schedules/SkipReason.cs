namespace Millrace.Scheduling.Schedules;

/// <summary>Why an occurrence was skipped, as the history says it.</summary>
internal static class SkipReason
{
    /// <summary>No node fired it in time, and the misfire policy does not make up for it.</summary>
    public const string Misfire = "misfire";

    /// <summary>Earlier ones had not ended, and the overlap policy does not run it beside or after them.</summary>
    public const string Overlap = "overlap";

    /// <summary>The schedule was changed or removed before it ran.</summary>
    public const string Superseded = "superseded";
}
