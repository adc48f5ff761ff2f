namespace Millrace.Redis.Client.Connections;

/// <summary>What a server sends by Pub/Sub: pushes in RESP3, arrays in RESP2, alike but for that.</summary>
internal static class PubSubMessages
{
    /// <summary>Whether a reply of a connection that subscribes is a message or a confirmation.</summary>
    public static bool IsOne(RedisReply reply) =>
        reply.Kind == RedisReplyKind.Array && reply.Items is [{ Kind: RedisReplyKind.Bytes or RedisReplyKind.Status } verb, _, ..]
        && (verb.Bytes.Span.EndsWith("message"u8) || verb.Bytes.Span.EndsWith("subscribe"u8));
}
