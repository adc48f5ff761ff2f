namespace Millrace.Storage;

/// <summary>What a queue at its bound does with a new batch (law Q9).</summary>
public enum QueueOverflow
{
    /// <summary>Refuses it whole with <see cref="QueueFullException"/>.</summary>
    Refuse,

    /// <summary>Drops ready messages to make room, the oldest of the lowest priority first, and counts them; refuses when that is not enough.</summary>
    DropOldest,
}

/// <summary>The settings of one queue. Immutable; validated when they are stored.</summary>
public sealed record QueueSettings
{
    /// <summary>Defaults throughout.</summary>
    public static QueueSettings Default { get; } = new();

    /// <summary>How many counted deliveries a message gets before the store dead-letters it (Q7); 10 unless set, 1 to 1,000,000. Dead-letter queues have no such bound.</summary>
    public int MaxDeliveries { get; init; } = 10;

    /// <summary>The most messages, in whatever state, dead letters apart; 20 million unless set.</summary>
    public long MaxLength { get; init; } = 20_000_000;

    /// <summary>The most bytes of bodies, dead letters apart; null: <see cref="QueueCapabilities.DefaultMaxBytes"/> of the store.</summary>
    public long? MaxBytes { get; init; }

    /// <summary>What happens at a bound; refusal unless set.</summary>
    public QueueOverflow Overflow { get; init; }

    /// <summary>Whether expired messages become dead letters instead of being dropped (Q4); false unless set.</summary>
    public bool DeadLetterExpired { get; init; }

    /// <summary>The queue is deleted when it has had neither messages (dead letters included) nor receivers nor senders for so long; null, the default: never.</summary>
    public TimeSpan? DeleteAfterIdle { get; init; }

    /// <summary>How long the id of a settled message is still refused (Q2); 10 minutes unless set. Zero: only while it lives.</summary>
    public TimeSpan DedupWindow { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>The most ids of settled messages that are remembered; the oldest go first, and are counted. One million unless set.</summary>
    public int DedupMaxEntries { get; init; } = 1_000_000;

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="MillraceConfigurationException">Names the setting, its value and what is allowed.</exception>
    public void Validate()
    {
        Require(MaxDeliveries is >= 1 and <= 1_000_000, nameof(MaxDeliveries), MaxDeliveries, "1 to 1,000,000");
        Require(MaxLength >= 1, nameof(MaxLength), MaxLength, "at least 1");
        Require(MaxBytes is null or >= 1, nameof(MaxBytes), MaxBytes, "at least 1");
        Require(Enum.IsDefined(Overflow), nameof(Overflow), Overflow, "Refuse or DropOldest");
        Require(DeleteAfterIdle is null || DeleteAfterIdle > TimeSpan.Zero, nameof(DeleteAfterIdle), DeleteAfterIdle, "a positive time");
        Require(DedupWindow >= TimeSpan.Zero && DedupWindow <= TimeSpan.FromDays(365), nameof(DedupWindow), DedupWindow, "0 to 365 days");
        Require(DedupMaxEntries >= 0, nameof(DedupMaxEntries), DedupMaxEntries, "0 or more");
    }

    private static void Require(bool holds, string setting, object? value, string allowed)
    {
        if (!holds)
        {
            throw new MillraceConfigurationException($"The queue setting {setting} must be {allowed}, not {value}.");
        }
    }
}

/// <summary>The counts of a queue. Depths are exact at one instant; counters run from the store's opening unless the engine keeps them.</summary>
public sealed record QueueStats
{
    /// <summary>Messages that wait to be leased.</summary>
    public long Ready { get; init; }

    /// <summary>Messages that are not due yet, delayed retries included.</summary>
    public long Scheduled { get; init; }

    /// <summary>Messages with a receiver.</summary>
    public long Leased { get; init; }

    /// <summary>Messages in the dead-letter queue of this one; 0 for a dead-letter queue itself.</summary>
    public long Dead { get; init; }

    /// <summary>Bytes of bodies of all messages, dead letters apart.</summary>
    public long Bytes { get; init; }

    /// <summary>How long the longest-waiting ready message has been in the queue; null when none waits.</summary>
    public TimeSpan? OldestReadyAge { get; init; }

    /// <summary>Messages stored.</summary>
    public long Enqueued { get; init; }

    /// <summary>Messages completed.</summary>
    public long Completed { get; init; }

    /// <summary>Repeats of ids that were not stored.</summary>
    public long Duplicates { get; init; }

    /// <summary>Messages that expired.</summary>
    public long Expired { get; init; }

    /// <summary>Messages dropped by <see cref="QueueOverflow.DropOldest"/>.</summary>
    public long Dropped { get; init; }

    /// <summary>Messages dead-lettered.</summary>
    public long DeadLettered { get; init; }

    /// <summary>Ids forgotten before their time because the window was full (Q2).</summary>
    public long DedupEvictions { get; init; }
}
