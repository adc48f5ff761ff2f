using System.Buffers;
using Millrace.Stomp.Codec;

namespace Millrace.Stomp.Sessions;

/// <summary>One subscription of a connection: how its messages are written, acknowledged and ended. Members say where they are safe for concurrent use.</summary>
internal abstract class Subscription(SubscriptionRequest request) : IAsyncDisposable
{
    /// <summary>What <see cref="FindDelivery"/> returns where acknowledgements have no effect. The numbers of deliveries are higher.</summary>
    public const long Indifferent = 0;

    /// <summary>What the client asked for.</summary>
    public SubscriptionRequest Request { get; } = request;

    /// <summary>The bytes with which its MESSAGE frames begin.</summary>
    protected byte[] Start { get; } = MessageFrame.StartOf(request.Id, request.FixedDestination, request.Version);

    /// <summary>Opens it; messages may be posted from then on.</summary>
    public abstract ValueTask OpenAsync(CancellationToken cancellationToken);

    /// <summary>Writes one of its frames. Called by one thread at a time.</summary>
    /// <returns>Whether it was written; not when the subscription has ended meanwhile.</returns>
    public abstract bool Write(MessageFrame encoder, IBufferWriter<byte> output, in OutgoingFrame frame);

    /// <summary>Frames of it have been handed to the transport. Called by one thread at a time.</summary>
    public virtual void OnFlushed(int count)
    {
    }

    /// <summary>Not much waits to be written any more, as was asked for. Safe for concurrent use.</summary>
    public virtual void OnRoom()
    {
    }

    /// <summary>Finds what an acknowledgement names. Called by the session.</summary>
    /// <param name="number">The number from an <c>ack</c> header, or -1.</param>
    /// <param name="messageId">The <c>message-id</c> header where there is no number.</param>
    /// <returns>The number; <see cref="Indifferent"/> where acknowledgements have no effect; -1 if nothing that may be acknowledged bears it.</returns>
    public abstract long FindDelivery(long number, string? messageId);

    /// <summary>Keeps in the store what the session has noted of it. Called by the session.</summary>
    public virtual ValueTask SettleAsync() => default;

    /// <summary>Ends it and hands back what is not acknowledged.</summary>
    public abstract ValueTask DisposeAsync();

    /// <summary>The subscription as it is now. Safe for concurrent use.</summary>
    public abstract StompSubscriptionInfo Describe();
}

/// <summary>What a SUBSCRIBE frame asks for.</summary>
internal sealed record SubscriptionRequest
{
    /// <summary>The client's id; null for clients of 1.0 that gave none.</summary>
    public required string? Id { get; init; }

    /// <summary>Its number on this connection, from 1.</summary>
    public required int Number { get; init; }

    /// <summary>The destination as the client wrote it.</summary>
    public required string Destination { get; init; }

    /// <summary>The destination that its messages carry; null when it differs from message to message.</summary>
    public string? FixedDestination { get; init; }

    /// <summary>How it acknowledges.</summary>
    public required AckMode Mode { get; init; }

    /// <summary>The most messages that it gets unacknowledged.</summary>
    public required int Prefetch { get; init; }

    /// <summary>The connection's version.</summary>
    public required StompVersion Version { get; init; }
}
