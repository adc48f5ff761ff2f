namespace Millrace.Scheduling;

/// <summary>Counts and times of runs over a window. Immutable.</summary>
public sealed record RunStatistics
{
    /// <summary>How many have succeeded.</summary>
    public long Succeeded { get; init; }

    /// <summary>How many attempts have failed and were repeated.</summary>
    public long Retried { get; init; }

    /// <summary>How many have failed for good.</summary>
    public long Failed { get; init; }

    /// <summary>How many were cancelled.</summary>
    public long Cancelled { get; init; }

    /// <summary>How many occurrences were skipped.</summary>
    public long Skipped { get; init; }

    /// <summary>How many plain messages were sent.</summary>
    public long Sent { get; init; }

    /// <summary>How long attempts took; null when none has run.</summary>
    public RunTimes? Duration { get; init; }

    /// <summary>How long after they were due first attempts started; null when none has.</summary>
    public RunTimes? Lateness { get; init; }
}

/// <summary>A summary of times.</summary>
/// <param name="Min">The shortest.</param>
/// <param name="Average">The mean.</param>
/// <param name="Max">The longest.</param>
/// <param name="P99">The time that 99 of 100 did not exceed.</param>
public sealed record RunTimes(TimeSpan Min, TimeSpan Average, TimeSpan Max, TimeSpan P99);
