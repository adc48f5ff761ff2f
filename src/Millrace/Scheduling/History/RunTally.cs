namespace Millrace.Scheduling.History;

/// <summary>Counts runs, and gathers their times. Used by one call.</summary>
internal sealed class RunTally
{
    private readonly long[] _counts = new long[Enum.GetValues<RunOutcome>().Length];
    private readonly List<long> _durations = [];
    private readonly List<long> _lateness = [];

    public void Add(RunRecord run)
    {
        _counts[(int)run.Outcome] += run.Count;
        if (run.Duration is { } duration)
        {
            _durations.Add(duration.Ticks);
        }

        // A later attempt is late by its retry's delay, which says nothing of the scheduler.
        if (run is { StartedAt: { } startedAt, Attempt: 1 })
        {
            _lateness.Add(Math.Max(0, (startedAt - run.ScheduledAt).Ticks));
        }
    }

    public RunStatistics ToStatistics() => new()
    {
        Succeeded = _counts[(int)RunOutcome.Succeeded],
        Retried = _counts[(int)RunOutcome.Retried],
        Failed = _counts[(int)RunOutcome.Failed],
        Cancelled = _counts[(int)RunOutcome.Cancelled],
        Skipped = _counts[(int)RunOutcome.Skipped],
        Sent = _counts[(int)RunOutcome.Sent],
        Duration = Summary(_durations),
        Lateness = Summary(_lateness),
    };

    private static RunTimes? Summary(List<long> ticks)
    {
        if (ticks.Count == 0)
        {
            return null;
        }

        ticks.Sort();
        var rank = (int)Math.Ceiling(ticks.Count * 0.99) - 1;
        return new RunTimes(new(ticks[0]), new((long)ticks.Average()), new(ticks[^1]), new(ticks[rank]));
    }
}
