namespace Millrace.Redis.Client.Connections;

/// <summary>Told on the loop that reads a connection, in order, of what arrives by Pub/Sub. Must not block.</summary>
internal interface IPushHandler
{
    /// <summary>A message, or the confirmation of a subscription.</summary>
    /// <returns>Whether it answers the command that has waited longest, as confirmations do.</returns>
    bool OnPush(RedisReply push);
}
