using Millrace.Stomp.Codec;
using Millrace.Storage;

namespace Millrace.Stomp.Sessions;

/// <summary>Where a session puts what goes to its client. Safe for concurrent use; no call blocks.</summary>
internal interface IFrameOutput
{
    /// <summary>Bytes that wait to be written: bodies, and roughly what goes with them.</summary>
    long PendingBytes { get; }

    /// <summary>Whether so much waits that nothing more should come for now.</summary>
    bool IsFull { get; }

    /// <summary>Takes over a frame that is written already. It goes out with the next <see cref="Wake"/> or <see cref="WriteHere"/>.</summary>
    void Post(byte[] frame);

    /// <summary>Takes over deliveries of a subscription, with their numbers.</summary>
    void Post(Subscription subscription, ReadOnlySpan<Delivery> deliveries, ReadOnlySpan<long> numbers);

    /// <summary>Takes over channel messages of a subscription.</summary>
    void Post(Subscription subscription, ReadOnlySpan<ChannelMessage> messages);

    /// <summary>Lets what was posted be written by a thread of the pool.</summary>
    void Wake();

    /// <summary>Writes what was posted on this thread, unless another one does already or it comes to a wait.</summary>
    void WriteHere();

    /// <summary>Ends when not much waits any more, or the output is closed.</summary>
    ValueTask HasRoomAsync();

    /// <summary>Lets a subscription know, by <see cref="Subscription.OnRoom"/>, when not much waits any more.</summary>
    void NotifyOfRoom(Subscription subscription);

    /// <summary>Ends the connection with a fault of a subscription.</summary>
    /// <param name="fault">What the client is told.</param>
    /// <param name="exception">What it came from, for the log; null when the client is told all there is.</param>
    void Fail(StompFault fault, Exception? exception = null);
}

/// <summary>One frame that waits to be written: bytes, a delivery or a channel message.</summary>
internal readonly struct OutgoingFrame
{
    /// <summary>The whole frame; null for a message.</summary>
    public byte[]? Bytes { get; init; }

    /// <summary>The subscription that a message is for.</summary>
    public Subscription? Subscription { get; init; }

    /// <summary>A delivery from a queue.</summary>
    public Delivery Delivery { get; init; }

    /// <summary>A message of a channel.</summary>
    public ChannelMessage? ChannelMessage { get; init; }

    /// <summary>The number of a delivery that the client acknowledges; -1 for none.</summary>
    public long Number { get; init; }

    /// <summary>The size of the body.</summary>
    public int BodyBytes => ChannelMessage?.Body.Length ?? Delivery.Message?.Body.Length ?? 0;
}
