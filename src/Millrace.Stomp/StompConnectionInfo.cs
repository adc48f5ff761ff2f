namespace Millrace.Stomp;

/// <summary>A connection as it is at one moment.</summary>
internal sealed record StompConnectionInfo
{
    /// <summary>Its id, unique while the broker runs.</summary>
    public required string Id { get; init; }

    /// <summary>Where it comes from.</summary>
    public required string Peer { get; init; }

    /// <summary><c>tcp</c>, <c>tls</c>, <c>ws</c> or <c>wss</c>.</summary>
    public required string Transport { get; init; }

    /// <summary>The version, such as <c>1.2</c>; empty before CONNECT.</summary>
    public required string Version { get; init; }

    /// <summary>The user's name; empty for an anonymous one, and before CONNECT.</summary>
    public required string User { get; init; }

    /// <summary>The <c>client-id</c> that it connected with; null if none.</summary>
    public string? ClientId { get; init; }

    /// <summary>When it came.</summary>
    public required DateTimeOffset ConnectedAt { get; init; }

    /// <summary>Frames that came from it.</summary>
    public required long FramesReceived { get; init; }

    /// <summary>Messages that it sent.</summary>
    public required long MessagesSent { get; init; }

    /// <summary>Messages that were sent to it.</summary>
    public required long MessagesDelivered { get; init; }

    /// <summary>Bytes that wait to be sent to it: bodies, and roughly what goes with them.</summary>
    public required long PendingBytes { get; init; }

    /// <summary>Its open transactions.</summary>
    public required int Transactions { get; init; }

    /// <summary>Its subscriptions.</summary>
    public required IReadOnlyList<StompSubscriptionInfo> Subscriptions { get; init; }
}

/// <summary>A subscription as it is at one moment.</summary>
internal sealed record StompSubscriptionInfo
{
    /// <summary>The client's id for it.</summary>
    public required string Id { get; init; }

    /// <summary>The destination as the client wrote it.</summary>
    public required string Destination { get; init; }

    /// <summary><c>auto</c>, <c>client</c> or <c>client-individual</c>.</summary>
    public required string Acknowledge { get; init; }

    /// <summary>The most messages that it gets unacknowledged; 0 for a topic.</summary>
    public int Prefetch { get; init; }

    /// <summary>Messages that it has and has not acknowledged.</summary>
    public int Unacknowledged { get; init; }

    /// <summary>Messages that were written to it.</summary>
    public long Delivered { get; init; }

    /// <summary>Topic messages that were dropped because it was slow.</summary>
    public long Dropped { get; init; }
}
