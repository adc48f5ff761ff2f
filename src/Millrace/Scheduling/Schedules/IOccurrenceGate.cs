namespace Millrace.Scheduling.Schedules;

/// <summary>What the handler of an occurrence asks before it runs it, and tells when it has. Safe for concurrent use.</summary>
internal interface IOccurrenceGate
{
    /// <summary>May it run? Asked for every delivery. Faults of the state store pass through: the message is then retried.</summary>
    ValueTask<OccurrenceVerdict> BeginAsync(Occurrence occurrence, CancellationToken cancellationToken);

    /// <summary>
    /// It has ended for good (not: will be retried); called before the message is settled, and may be called again for the same one. Counts it, and lets what waited for it go on.
    /// </summary>
    ValueTask EndAsync(Occurrence occurrence, RunRecord run, CancellationToken cancellationToken);
}
