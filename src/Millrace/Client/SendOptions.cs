using Millrace.Pipeline;

namespace Millrace.Client;

/// <summary>The wishes of a sender for one message, or for each message of a batch. Immutable; <c>with</c> makes variants.</summary>
public sealed record SendOptions
{
    /// <summary>0 (last) to 9 (first); null, the default: 4.</summary>
    public int? Priority { get; init; }

    /// <summary>How long until the message becomes due; zero, the default: at once. Not together with <see cref="DueAt"/>.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>When the message becomes due, by the client's clock; a time that has passed means at once. Null, the default: see <see cref="Delay"/>.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>How long until the message expires if nobody was given it; null, the default: never. Must be longer than the delay.</summary>
    public TimeSpan? TimeToLive { get; init; }

    /// <summary>Messages with the same key are handled one at a time, in order. Null, the default: no such order.</summary>
    public string? Key { get; init; }

    /// <summary>An id of the sender's choice: a repeat within the queue's window is stored once and reported as a duplicate. Empty, the default: the store assigns one.</summary>
    public MessageId Id { get; init; }

    /// <summary>Headers: <c>MessageHeaders.Of(("tenant", "acme"))</c>.</summary>
    public MessageHeaders Headers { get; init; } = MessageHeaders.Empty;

    /// <summary>Whether the sender waits for the store's durability; it does unless set.</summary>
    public MessageDurability Durability { get; init; }

    /// <summary>Puts the wishes on a message.</summary>
    /// <exception cref="InvalidMessageException">The wishes contradict each other, or are out of range.</exception>
    internal void Apply(OutgoingMessage message, TimeProvider timeProvider)
    {
        var delay = Delay;
        if (DueAt is { } dueAt)
        {
            if (Delay != TimeSpan.Zero)
            {
                throw new InvalidMessageException($"The message was refused: it has both a delay ({Delay}) and a due time ({dueAt:O}). Set one of them.");
            }

            var wait = dueAt - timeProvider.GetUtcNow();
            delay = wait > TimeSpan.Zero ? wait : TimeSpan.Zero;
        }

        if (delay < TimeSpan.Zero)
        {
            throw new InvalidMessageException($"The message was refused: its delay is {delay}, which is negative. Use zero to send it at once.");
        }

        if (Priority is { } priority && priority is < MessagePriority.Lowest or > MessagePriority.Highest)
        {
            throw new InvalidMessageException($"The message was refused: its priority is {Priority}, allowed are {MessagePriority.Lowest} to {MessagePriority.Highest}.");
        }

        if (TimeToLive is { } timeToLive && (timeToLive <= TimeSpan.Zero || timeToLive <= delay))
        {
            throw new InvalidMessageException($"The message was refused: its time to live is {timeToLive}, with a delay of {delay} it would expire before it is due.");
        }

        message.Priority = Priority ?? MessagePriority.Default;
        message.Delay = delay;
        message.TimeToLive = TimeToLive;
        message.Key = Key;
        message.Id = Id;
        message.Headers = Headers;
        message.Durability = Durability;
    }
}
