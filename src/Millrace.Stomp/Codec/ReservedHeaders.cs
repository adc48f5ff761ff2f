using System.Collections.Frozen;

namespace Millrace.Stomp.Codec;

/// <summary>Headers that the broker writes itself, so that a sender's are not passed on beside them.</summary>
internal static class ReservedHeaders
{
    /// <summary>The topic that a message was published to, kept with the copies that durable subscriptions get.</summary>
    public const string Topic = "millrace-topic";

    private static readonly FrozenSet<string> OfBroker = FrozenSet.Create(
        StringComparer.Ordinal,
        "ack", "content-length", "content-type", "destination", "expires", "message-id", "priority", "redelivered", "subscription", Topic);

    /// <summary>Whether a MESSAGE has this header from the broker, or not at all.</summary>
    public static bool IsOfBroker(string name) => OfBroker.Contains(name);
}
