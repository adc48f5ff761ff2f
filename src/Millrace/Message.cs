namespace Millrace;

/// <summary>
/// A message as a store keeps it. Immutable, safe to share between threads; <see cref="Body"/> may live in memory that the store
/// uses again, so it is valid until the delivery that carries it is settled or its receiver disposed.
/// </summary>
public sealed class Message
{
    // As ticks of UTC: millions of messages may wait in memory, and these take half as much.
    private readonly long _enqueuedAt;
    private readonly long _expiresAt;

    /// <summary>The id: the sender's, or the one that the store assigned.</summary>
    public required MessageId Id { get; init; }

    /// <summary>The body, byte for byte as it was sent.</summary>
    public required ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>The headers as they were sent.</summary>
    public MessageHeaders Headers { get; init; } = MessageHeaders.Empty;

    /// <summary>The media type of the body, or null.</summary>
    public string? ContentType { get; init; }

    /// <summary>The ordering key (law Q8), or null.</summary>
    public string? Key { get; init; }

    /// <summary>0 to 9; see <see cref="MessagePriority"/>.</summary>
    public int Priority { get; init; } = MessagePriority.Default;

    /// <summary>When the store accepted the message, by the store's clock, in UTC.</summary>
    public DateTimeOffset EnqueuedAt
    {
        get => new(_enqueuedAt, TimeSpan.Zero);
        init => _enqueuedAt = value.UtcTicks;
    }

    /// <summary>When the message expires, by the store's clock, in UTC; null: never.</summary>
    public DateTimeOffset? ExpiresAt
    {
        get => _expiresAt == 0 ? null : new DateTimeOffset(_expiresAt, TimeSpan.Zero);
        init => _expiresAt = value?.UtcTicks ?? 0;
    }

    /// <summary>Why the message is dead; null unless it stands in a dead-letter queue.</summary>
    public DeadLetterInfo? DeadLetter { get; init; }
}

/// <summary>Why and when a message was dead-lettered (law Q6).</summary>
/// <param name="Reason">A short stable word or phrase, such as <c>max-deliveries</c>, <c>expired</c>, or the worker's own.</param>
/// <param name="LastError">What the last attempt reported, if anything.</param>
/// <param name="Attempts">How many attempts had been counted.</param>
/// <param name="At">When it happened, by the store's clock.</param>
public sealed record DeadLetterInfo(string Reason, string? LastError, int Attempts, DateTimeOffset At)
{
    /// <summary>The reason given by a store when a message has been delivered <see cref="Storage.QueueSettings.MaxDeliveries"/> times (law Q7).</summary>
    public const string MaxDeliveriesReason = "max-deliveries";

    /// <summary>The reason given by a store for an expired message of a queue with <see cref="Storage.QueueSettings.DeadLetterExpired"/> (law Q4).</summary>
    public const string ExpiredReason = "expired";

    /// <summary>
    /// The reason given by a store for a message that the disk has damaged: the body is what is left of it as it was stored, and id, headers and key are not the sender's. Such a dead letter
    /// is never redriven.
    /// </summary>
    public const string DamagedReason = "damaged";
}
