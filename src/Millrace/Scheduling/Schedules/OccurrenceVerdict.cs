namespace Millrace.Scheduling.Schedules;

/// <summary>What is to be done with the message of an occurrence.</summary>
internal enum OccurrenceAction
{
    /// <summary>Run it.</summary>
    Run,

    /// <summary>It is not to run, ever: complete the message. What there is to record has been recorded.</summary>
    Drop,

    /// <summary>Another one must end first: give the message back, without counting an attempt.</summary>
    PutOff,
}

/// <summary>Whether an occurrence may run.</summary>
/// <param name="Action">What to do.</param>
/// <param name="Definition">The schedule; set if it is to run.</param>
/// <param name="Delay">After which time to ask again; for <see cref="OccurrenceAction.PutOff"/>.</param>
internal readonly record struct OccurrenceVerdict(OccurrenceAction Action, ScheduleDefinition? Definition = null, TimeSpan Delay = default);
