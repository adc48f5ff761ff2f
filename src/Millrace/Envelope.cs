namespace Millrace;

/// <summary>
/// What a sender hands to a store: an opaque body with its headers and the wishes of its sender. A plain value, so that a
/// batch is one array; the store copies the body before its call returns and keeps <see cref="Headers"/>, which are immutable.
/// </summary>
public readonly record struct Envelope
{
    // Stored as the distance from the default, so that default(Envelope) has the default priority.
    private readonly int _priorityOffset;

    /// <summary>An envelope with <paramref name="body"/> and defaults for everything else.</summary>
    public Envelope(ReadOnlyMemory<byte> body) => Body = body;

    /// <summary>The body. Opaque to every store; its limit is <see cref="Storage.QueueCapabilities.MaxBodyBytes"/>.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>The sender's id, subject to deduplication (law Q2), or empty: the store assigns one.</summary>
    public MessageId Id { get; init; }

    /// <summary>The media type of the body, such as <c>application/json</c>; null when the sender did not say.</summary>
    public string? ContentType { get; init; }

    /// <summary>Headers, or null for none.</summary>
    public MessageHeaders? Headers { get; init; }

    /// <summary>Messages with the same key are handled one at a time, in order (law Q8). Null: no such order.</summary>
    public string? Key { get; init; }

    /// <summary>0 to 9, see <see cref="MessagePriority"/>; 4 unless set.</summary>
    public int Priority
    {
        get => _priorityOffset + MessagePriority.Default;
        init => _priorityOffset = value - MessagePriority.Default;
    }

    /// <summary>How long after the store accepted it the message becomes due (law Q4); zero: at once. Not negative.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>How long after the store accepted it the message expires if nobody was given it (law Q4); null: never. Positive.</summary>
    public TimeSpan? TimeToLive { get; init; }

    /// <summary>Whether the sender waits for the store's durability; see <see cref="MessageDurability"/>.</summary>
    public MessageDurability Durability { get; init; }
}
