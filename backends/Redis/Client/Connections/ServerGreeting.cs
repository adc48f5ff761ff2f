namespace Millrace.Redis.Client.Connections;

/// <summary>What a server answers to HELLO: what it is.</summary>
internal static class ServerGreeting
{
    /// <summary>A value of it; null when the server does not tell, as in the old protocol.</summary>
    public static string? Find(RedisReply hello, ReadOnlySpan<byte> name)
    {
        for (var i = 0; i + 1 < hello.Items.Length; i += 2)
        {
            if (hello.Items[i].Bytes.Span.SequenceEqual(name))
            {
                return hello.Items[i + 1].ToText();
            }
        }

        return null;
    }

    /// <summary>Whether the server copies another one, and takes no writes of its own.</summary>
    public static bool IsOfReplica(RedisReply hello) => Find(hello, "role"u8) is "replica" or "slave";

    /// <summary>That a server is a replica, as a sentence.</summary>
    public static string SayReplica(RedisServerAddress address) => $"Redis at {address} is a replica, which takes no writes.";
}
