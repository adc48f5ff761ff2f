using Millrace.Storage;

namespace Millrace.Pipeline;

/// <summary>A message on its way to a queue: the object, and what is sent with it. Middleware may change all of it.</summary>
public abstract class OutgoingMessage
{
    private protected OutgoingMessage()
    {
    }

    /// <summary>The message. A replacement must be of the type that the queue takes.</summary>
    /// <exception cref="ArgumentException">The replacement is of another type.</exception>
    public abstract object Body { get; set; }

    /// <summary>The headers.</summary>
    public MessageHeaders Headers { get; set; } = MessageHeaders.Empty;

    /// <summary>The sender's id; empty: the store assigns one.</summary>
    public MessageId Id { get; set; }

    /// <summary>The ordering key, or null.</summary>
    public string? Key { get; set; }

    /// <summary>0 to 9; see <see cref="MessagePriority"/>.</summary>
    public int Priority { get; set; } = MessagePriority.Default;

    /// <summary>How long until the message is due; zero: at once.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>How long until it expires; null: never.</summary>
    public TimeSpan? TimeToLive { get; set; }

    /// <summary>Whether the sender waits for the store's durability.</summary>
    public MessageDurability Durability { get; set; }

    /// <summary>Whether the message is not to be stored. The sender learns of it from its result.</summary>
    public bool IsSuppressed { get; private set; }

    /// <summary>What became of it; null until it has been stored, and for messages that were suppressed or published to a topic.</summary>
    public EnqueueResult? Result { get; internal set; }

    internal string? ContentType { get; set; }

    internal Range Encoded { get; set; }

    /// <summary>Takes the message out of the send.</summary>
    public void Suppress() => IsSuppressed = true;

    internal Envelope ToEnvelope(ReadOnlyMemory<byte> body) => new(body)
    {
        Id = Id,
        ContentType = ContentType,
        Headers = Headers.Count == 0 ? null : Headers,
        Key = Key,
        Priority = Priority,
        Delay = Delay,
        TimeToLive = TimeToLive,
        Durability = Durability,
    };
}

/// <summary>A message of a known type on its way to a queue.</summary>
internal sealed class OutgoingMessage<T>(T message) : OutgoingMessage
{
    public T Message { get; private set; } = message;

    public override object Body
    {
        get => Message!;
        set => Message = value is T replacement
            ? replacement
            : throw new ArgumentException($"The queue takes messages of type {typeof(T)}; a middleware replaced one by {value?.GetType().ToString() ?? "null"}.", nameof(value));
    }
}
