namespace Millrace.Scheduling;

/// <summary>What became of a definition that was handed in.</summary>
public enum ScheduleChange
{
    /// <summary>It is the same as before.</summary>
    Unchanged,

    /// <summary>There was no such schedule.</summary>
    Created,

    /// <summary>It was changed; what was due and has not run by now is run by the new definition, or skipped if it is changed what is done or when.</summary>
    Updated,
}
