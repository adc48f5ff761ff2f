using Millrace.Hosting;

namespace Millrace.Queues;

/// <summary>How the dispatchers of one store lease. Immutable; validated when they are made.</summary>
public sealed record QueueDispatcherOptions
{
    /// <summary>How long a delivery belongs to this process without renewal; 30 s unless set, 30 ms to 49 days. Renewed every third of it.</summary>
    public TimeSpan LeaseDuration { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The most messages leased in one call; 256 unless set, 1 to 100,000.</summary>
    public int MaxBatch { get; init; } = 256;

    /// <summary>The pause after a first transient fault of the store; it doubles with each further one, half of it random. 50 ms unless set.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>The longest pause after transient faults of the store; 10 s unless set.</summary>
    public TimeSpan MaxRetryDelay { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="MillraceConfigurationException">Names the option, its value and what is allowed.</exception>
    public void Validate()
    {
        if (LeaseDuration < TimeSpan.FromMilliseconds(30) || LeaseDuration > TimerRange.Longest)
        {
            throw new MillraceConfigurationException($"The lease duration must be 30 ms, so that it can be renewed in time, to 49 days, not {LeaseDuration}.");
        }

        if (MaxBatch is < 1 or > 100_000)
        {
            throw new MillraceConfigurationException($"The largest batch of a dispatcher must be 1 to 100,000, not {MaxBatch}.");
        }

        if (RetryDelay <= TimeSpan.Zero || MaxRetryDelay < RetryDelay || MaxRetryDelay > TimerRange.Longest)
        {
            throw new MillraceConfigurationException(
                $"A dispatcher's retry delay must be positive and at most its longest delay, and that at most 49 days, not {RetryDelay} with a longest of {MaxRetryDelay}.");
        }
    }
}

/// <summary>How one consumer takes part in a dispatcher. Immutable.</summary>
public sealed record DispatchConsumerOptions
{
    /// <summary>The most deliveries that the consumer holds unsettled at one time; 0 for none yet, see <see cref="DispatchConsumer.SetCredit"/>.</summary>
    public required int Credit { get; init; }

    /// <summary>At most once: deliveries are settled as they are leased. Their credit comes back by <see cref="DispatchConsumer.AddCredit"/>. False unless set.</summary>
    public bool SettleOnLease { get; init; }
}
