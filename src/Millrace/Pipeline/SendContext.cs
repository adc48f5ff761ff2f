using Millrace.Serialization;

namespace Millrace.Pipeline;

/// <summary>One send call on its way through the pipeline. Used by one call at a time.</summary>
public sealed class SendContext
{
    private readonly OutgoingMessage[] _messages;

    internal SendContext(string destination, bool isTopic, OutgoingMessage[] messages, PooledBuffer bodies) =>
        (Destination, IsTopic, _messages, Bodies) = (destination, isTopic, messages, bodies);

    /// <summary>The queue, or the topic that is published to.</summary>
    public string Destination { get; }

    /// <summary>Whether <see cref="Destination"/> is a topic: the messages go to every queue that is bound to it.</summary>
    public bool IsTopic { get; }

    /// <summary>The messages of this call, in order; one unless it is a batch.</summary>
    public IReadOnlyList<OutgoingMessage> Messages => _messages;

    /// <summary>The same as <see cref="Messages"/>, for loops.</summary>
    internal ReadOnlySpan<OutgoingMessage> Outgoing => _messages;

    /// <summary>The bodies, once serialized; their memory belongs to this call.</summary>
    internal PooledBuffer Bodies { get; }

    /// <summary>How many queues a publish has reached.</summary>
    internal int QueuesReached { get; set; }

    /// <summary>The messages that are to be stored.</summary>
    internal OutgoingMessage[] ToStore() =>
        Array.Exists(_messages, static message => message.IsSuppressed) ? Array.FindAll(_messages, static message => !message.IsSuppressed) : _messages;

    /// <summary>Writes the envelopes of messages that are to be stored. Their bodies are valid until this call ends.</summary>
    internal void WriteEnvelopes(ReadOnlySpan<OutgoingMessage> messages, Span<Envelope> envelopes)
    {
        for (var i = 0; i < messages.Length; i++)
        {
            envelopes[i] = messages[i].ToEnvelope(Bodies[messages[i].Encoded]);
        }
    }
}
