namespace Millrace.Redis.Client.Subscriptions;

/// <summary>What the kinds of subscriptions are called on the wire.</summary>
internal static class SubscriptionVerbs
{
    public const int Kinds = 3;

    public static string Subscribe(RedisSubscriptionKind kind) => kind switch
    {
        RedisSubscriptionKind.Channel => "SUBSCRIBE",
        RedisSubscriptionKind.Pattern => "PSUBSCRIBE",
        _ => "SSUBSCRIBE",
    };

    public static string Unsubscribe(RedisSubscriptionKind kind) => kind switch
    {
        RedisSubscriptionKind.Channel => "UNSUBSCRIBE",
        RedisSubscriptionKind.Pattern => "PUNSUBSCRIBE",
        _ => "SUNSUBSCRIBE",
    };

    /// <summary>The kind that a push's first word tells: <c>message</c>, <c>psubscribe</c>, <c>sunsubscribe</c> …</summary>
    public static RedisSubscriptionKind KindOf(ReadOnlySpan<byte> verb) => verb switch
    {
        [(byte)'p', ..] => RedisSubscriptionKind.Pattern,
        [(byte)'s', (byte)'m' or (byte)'s' or (byte)'u', .. var rest] when !(verb[1] == 'u' && rest.StartsWith("bscribe"u8)) => RedisSubscriptionKind.Sharded,
        _ => RedisSubscriptionKind.Channel,
    };
}
