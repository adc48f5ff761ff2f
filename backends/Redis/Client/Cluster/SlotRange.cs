using Millrace.Redis.Client.Connections;

namespace Millrace.Redis.Client.Cluster;

/// <summary>Slots that one primary serves.</summary>
/// <param name="First">The first one.</param>
/// <param name="Last">The last one.</param>
/// <param name="Primary">The primary.</param>
/// <param name="Replicas">Its replicas, which know the Cluster as well.</param>
internal readonly record struct SlotRange(int First, int Last, RedisServerAddress Primary, IReadOnlyList<RedisServerAddress> Replicas)
{
    /// <summary>Reads what CLUSTER SLOTS answers.</summary>
    /// <param name="reply">The reply.</param>
    /// <param name="asked">Who has answered: it leaves its own host out when it does not know it.</param>
    public static List<SlotRange> Read(RedisReply reply, RedisServerAddress asked)
    {
        var ranges = new List<SlotRange>();
        foreach (var range in reply.Items)
        {
            if (range.Items is not [var first, var last, var primary, .. var replicas])
            {
                continue;
            }

            var (from, to) = (first.ToInteger(), last.ToInteger());
            if (from >= 0 && from <= to && to < HashSlot.Count && ReadNode(primary, asked) is { } address)
            {
                ranges.Add(new SlotRange((int)from, (int)to, address, ReadNodes(replicas, asked)));
            }
        }

        return ranges;
    }

    private static List<RedisServerAddress> ReadNodes(ReadOnlySpan<RedisReply> nodes, RedisServerAddress asked)
    {
        var read = new List<RedisServerAddress>();
        foreach (var node in nodes)
        {
            if (ReadNode(node, asked) is { } address)
            {
                read.Add(address);
            }
        }

        return read;
    }

    private static RedisServerAddress? ReadNode(RedisReply node, RedisServerAddress asked)
    {
        if (node.Items is not [var host, var port, ..] || port.ToInteger() is not (> 0 and <= 65535) || host.ToText() == "?")
        {
            return null;
        }

        var name = host.ToText();
        return new RedisServerAddress(string.IsNullOrEmpty(name) ? asked.Host : name, (int)port.ToInteger());
    }
}
