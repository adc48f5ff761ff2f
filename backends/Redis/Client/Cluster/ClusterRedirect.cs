using System.Globalization;
using Millrace.Redis.Client.Connections;

namespace Millrace.Redis.Client.Cluster;

/// <summary>What an error of a node says about where a command belongs. Nothing has been applied.</summary>
/// <param name="Kind">What to do.</param>
/// <param name="Slot">The slot, for moves.</param>
/// <param name="Server">The other node, for moves and asks.</param>
internal readonly record struct ClusterRedirect(ClusterRedirectKind Kind, int Slot, RedisServerAddress Server)
{
    /// <summary>Reads <c>MOVED 3999 127.0.0.1:6381</c>, <c>ASK 3999 127.0.0.1:6381</c>, <c>TRYAGAIN …</c>, <c>CLUSTERDOWN …</c>, <c>MASTERDOWN …</c>.</summary>
    /// <param name="error">The error.</param>
    /// <param name="from">Who has sent it: it leaves the host out when that is its own.</param>
    public static ClusterRedirect Read(RedisReply error, RedisServerAddress from)
    {
        var text = error.Bytes.Span;
        if (text.StartsWith("TRYAGAIN"u8))
        {
            return new ClusterRedirect(ClusterRedirectKind.Later, 0, default);
        }

        if (text.StartsWith("CLUSTERDOWN"u8) || text.StartsWith("MASTERDOWN"u8))
        {
            return new ClusterRedirect(ClusterRedirectKind.Unserved, 0, default);
        }

        var isMove = text.StartsWith("MOVED "u8);
        if (!isMove && !text.StartsWith("ASK "u8))
        {
            return default;
        }

        var words = error.ToText()!.Split(' ');
        var colon = words.Length == 3 ? words[2].LastIndexOf(':') : -1;
        if (colon < 0
            || !int.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out var slot) || slot >= HashSlot.Count
            || !int.TryParse(words[2].AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port))
        {
            return default;
        }

        var host = words[2][..colon];
        return new ClusterRedirect(
            isMove ? ClusterRedirectKind.Moved : ClusterRedirectKind.Ask,
            slot,
            new RedisServerAddress(host.Length == 0 || host == "?" ? from.Host : host, port));
    }
}

/// <summary>What to do with a command that a node has refused.</summary>
internal enum ClusterRedirectKind : byte
{
    /// <summary>Nothing: the error is the caller's.</summary>
    None,

    /// <summary>The slot belongs to another node from now on.</summary>
    Moved,

    /// <summary>This one time another node has to be asked: the slot is on its way there.</summary>
    Ask,

    /// <summary>The keys of the command are split between two nodes at the moment.</summary>
    Later,

    /// <summary>Nobody serves the slot at the moment.</summary>
    Unserved,
}
