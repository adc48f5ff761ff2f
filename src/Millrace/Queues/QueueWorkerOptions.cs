using Millrace.Hosting;

namespace Millrace.Queues;

/// <summary>How a <see cref="QueueWorker"/> works. Immutable; validated when the worker is made.</summary>
public sealed record QueueWorkerOptions
{
    private const int MaxSlots = 100_000;

    /// <summary>How many messages are handled at the same time; the number of processors unless set, 1 to 100,000.</summary>
    public int Concurrency { get; init; } = Environment.ProcessorCount;

    /// <summary>How many messages are leased ahead, beside those that are handled; null, the default: as many as <see cref="Concurrency"/>. 0 to 100,000.</summary>
    public int? Prefetch { get; init; }

    /// <summary>How long one attempt may take before its token is cancelled and it has failed, 1 ms to 49 days; null, the default: as long as its lease can be renewed.</summary>
    public TimeSpan? AttemptTimeout { get; init; }

    /// <summary>What happens to messages whose handler failed; <see cref="RetryPolicy.Default"/> unless set.</summary>
    public RetryPolicy RetryPolicy { get; init; } = RetryPolicy.Default;

    /// <summary>How long a stop waits for handlers that run, before it cancels them; 30 s unless set. Zero: not at all.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a stop waits for handlers that it has cancelled, before it hands their messages back under them; 5 s unless set.</summary>
    public TimeSpan CancelTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Deliveries that the worker holds at most.</summary>
    internal int Credit => Concurrency + (Prefetch ?? Concurrency);

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="MillraceConfigurationException">Names the option, its value and what is allowed.</exception>
    public void Validate()
    {
        Require(Concurrency is >= 1 and <= MaxSlots, nameof(Concurrency), Concurrency, "1 to 100,000");
        Require(Prefetch is null or (>= 0 and <= MaxSlots), nameof(Prefetch), Prefetch, "0 to 100,000");
        Require(AttemptTimeout is null || (AttemptTimeout >= TimerRange.Shortest && AttemptTimeout <= TimerRange.Longest), nameof(AttemptTimeout), AttemptTimeout, "1 ms to 49 days");
        Require(RetryPolicy is not null, nameof(RetryPolicy), "null", "a policy; RetryPolicy.None for no retries");
        Require(
            (DrainTimeout >= TimeSpan.Zero && DrainTimeout <= TimerRange.Longest) || DrainTimeout == Timeout.InfiniteTimeSpan,
            nameof(DrainTimeout), DrainTimeout, "0 to 49 days, or infinite");

        // The loop waits twice as long and a little more, which must still be within a timer's range.
        Require(CancelTimeout >= TimeSpan.Zero && CancelTimeout <= TimeSpan.FromDays(24), nameof(CancelTimeout), CancelTimeout, "0 to 24 days");
    }

    private static void Require(bool holds, string option, object? value, string allowed)
    {
        if (!holds)
        {
            throw new MillraceConfigurationException($"The worker option {option} must be {allowed}, not {value}.");
        }
    }
}

/// <summary>What a worker has done since it was started, and what it holds now.</summary>
/// <param name="Handled">Messages completed.</param>
/// <param name="Retried">Failed attempts that were given back to be repeated.</param>
/// <param name="DeadLettered">Messages that the worker dead-lettered.</param>
/// <param name="Returned">Deliveries handed back without having been handled.</param>
/// <param name="LeaseLost">Deliveries whose lease had ended before they could be settled.</param>
/// <param name="Running">Handlers that run now.</param>
/// <param name="Held">Deliveries that the worker holds now: running, waiting for a handler, or being settled.</param>
public readonly record struct QueueWorkerStats(long Handled, long Retried, long DeadLettered, long Returned, long LeaseLost, int Running, int Held);
