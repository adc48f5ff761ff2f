namespace Millrace.Stomp;

/// <summary>What a broker has counted for one destination since it was made, and what there is now.</summary>
internal sealed record StompDestinationInfo
{
    /// <summary>The destination, such as <c>/queue/orders</c>.</summary>
    public required string Destination { get; init; }

    /// <summary>Messages that clients sent to it.</summary>
    public required long Sent { get; init; }

    /// <summary>Messages that clients got from it.</summary>
    public required long Delivered { get; init; }

    /// <summary>Messages from it that clients acknowledged.</summary>
    public required long Acknowledged { get; init; }

    /// <summary>Subscriptions to it.</summary>
    public required long Subscriptions { get; init; }

    /// <summary>Messages from it that clients have and have not acknowledged.</summary>
    public required long Unacknowledged { get; init; }
}
