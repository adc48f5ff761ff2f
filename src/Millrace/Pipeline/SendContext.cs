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

    /// <summary>The bodies, once serialized; their memory belongs to this call.</summary>
    internal PooledBuffer Bodies { get; }

    /// <summary>How many queues a publish has reached.</summary>
    internal int QueuesReached { get; set; }

    /// <summary>The messages that are to be stored, and their envelopes, whose bodies are valid until this call ends.</summary>
    internal OutgoingMessage[] ToBatch(out Envelope[] envelopes)
    {
        var sent = Array.Exists(_messages, message => message.IsSuppressed) ? Array.FindAll(_messages, message => !message.IsSuppressed) : _messages;
        envelopes = new Envelope[sent.Length];
        for (var i = 0; i < sent.Length; i++)
        {
            envelopes[i] = sent[i].ToEnvelope(Bodies[sent[i].Encoded]);
        }

        return sent;
    }
}
