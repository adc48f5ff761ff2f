namespace Millrace.Scheduling.Triggers;

/// <summary>A stretch of time in which a zone's offset does not change. Seconds are counted from the year 1.</summary>
/// <param name="Start">Its first second, in UTC.</param>
/// <param name="End">The second after its last, in UTC.</param>
/// <param name="Offset">Local time less UTC, in seconds.</param>
/// <param name="Reached">
/// The first local second that clocks had not shown when the stretch began. Less than <c>Start + Offset</c> after a gap, whose local times were skipped; more where
/// clocks were put back, whose local times come a second time.
/// </param>
internal sealed record ZoneInterval(long Start, long End, long Offset, long Reached);
