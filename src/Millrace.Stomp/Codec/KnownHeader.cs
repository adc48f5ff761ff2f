namespace Millrace.Stomp.Codec;

/// <summary>The headers that mean something to this broker.</summary>
internal enum KnownHeader
{
    None,
    AcceptVersion,
    Ack,
    Browser,
    ClientId,
    ContentLength,
    ContentType,
    Delay,
    Destination,
    Durable,
    DurableGroup,
    Expires,
    HeartBeat,
    Host,
    Id,
    Login,
    MessageId,
    MessageKey,
    Passcode,
    Persistent,
    Prefetch,
    Priority,
    Receipt,
    Redelivered,
    ReplyTo,
    Requeue,
    Selector,
    SenderId,
    Subscription,
    TimeToLive,
    Transaction,
}

/// <summary>The names of known headers. Several names of other brokers may mean the same.</summary>
internal static class KnownHeaders
{
    /// <summary>How many there are, with the one that stands for unknown ones.</summary>
    public const int Count = (int)KnownHeader.Transaction + 1;

    /// <summary>What a name means; case counts.</summary>
    public static KnownHeader Find(ReadOnlySpan<byte> name) => name.Length switch
    {
        2 => name.SequenceEqual("id"u8) ? KnownHeader.Id : KnownHeader.None,
        3 => name.SequenceEqual("ack"u8) ? KnownHeader.Ack : KnownHeader.None,
        4 => name.SequenceEqual("host"u8) ? KnownHeader.Host : KnownHeader.None,
        5 => name.SequenceEqual("login"u8) ? KnownHeader.Login : KnownHeader.None,
        7 => FindOf7(name),
        8 => FindOf8(name),
        9 => FindOf9(name),
        10 => FindOf10(name),
        11 => FindOf11(name),
        12 => FindOf12(name),
        13 => FindOf13(name),
        14 => FindOf14(name),
        15 => name.SequenceEqual("x-durable-group"u8) ? KnownHeader.DurableGroup : KnownHeader.None,
        19 => name.SequenceEqual("AMQ_SCHEDULED_DELAY"u8) ? KnownHeader.Delay : KnownHeader.None,
        21 => name.SequenceEqual("activemq.prefetchSize"u8) ? KnownHeader.Prefetch : KnownHeader.None,
        _ => KnownHeader.None,
    };

    private static KnownHeader FindOf7(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("receipt"u8) ? KnownHeader.Receipt
        : name.SequenceEqual("expires"u8) ? KnownHeader.Expires
        : name.SequenceEqual("durable"u8) ? KnownHeader.Durable
        : name.SequenceEqual("browser"u8) ? KnownHeader.Browser
        : name.SequenceEqual("requeue"u8) ? KnownHeader.Requeue
        : name.SequenceEqual("x-delay"u8) ? KnownHeader.Delay
        : KnownHeader.None;

    private static KnownHeader FindOf8(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("priority"u8) ? KnownHeader.Priority
        : name.SequenceEqual("reply-to"u8) ? KnownHeader.ReplyTo
        : name.SequenceEqual("selector"u8) ? KnownHeader.Selector
        : name.SequenceEqual("passcode"u8) ? KnownHeader.Passcode
        : KnownHeader.None;

    private static KnownHeader FindOf9(ReadOnlySpan<byte> name) => name.SequenceEqual("client-id"u8) ? KnownHeader.ClientId : KnownHeader.None;

    private static KnownHeader FindOf10(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("persistent"u8) ? KnownHeader.Persistent
        : name.SequenceEqual("message-id"u8) ? KnownHeader.MessageId
        : name.SequenceEqual("heart-beat"u8) ? KnownHeader.HeartBeat
        : KnownHeader.None;

    private static KnownHeader FindOf11(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("destination"u8) ? KnownHeader.Destination
        : name.SequenceEqual("transaction"u8) ? KnownHeader.Transaction
        : name.SequenceEqual("redelivered"u8) ? KnownHeader.Redelivered
        : name.SequenceEqual("JMSXGroupID"u8) ? KnownHeader.MessageKey
        : KnownHeader.None;

    private static KnownHeader FindOf12(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("content-type"u8) ? KnownHeader.ContentType
        : name.SequenceEqual("subscription"u8) ? KnownHeader.Subscription
        : name.SequenceEqual("x-message-id"u8) ? KnownHeader.SenderId
        : name.SequenceEqual("_AMQ_DUPL_ID"u8) ? KnownHeader.SenderId
        : KnownHeader.None;

    private static KnownHeader FindOf13(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("x-message-ttl"u8) ? KnownHeader.TimeToLive
        : name.SequenceEqual("x-message-key"u8) ? KnownHeader.MessageKey
        : KnownHeader.None;

    private static KnownHeader FindOf14(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("content-length"u8) ? KnownHeader.ContentLength
        : name.SequenceEqual("accept-version"u8) ? KnownHeader.AcceptVersion
        : name.SequenceEqual("prefetch-count"u8) ? KnownHeader.Prefetch
        : KnownHeader.None;
}
