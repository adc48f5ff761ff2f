using System.Collections.Frozen;
using System.Globalization;

namespace Millrace.Redis.Client.Named;

/// <summary>
/// What has to be known about a command before it is sent: where its key is, whether it waits, whether it only reads, and whether it must not be sent on a connection that is
/// shared. A command that is not listed here has its key first, does not wait, and is never repeated.
/// </summary>
internal static class CommandRules
{
    /// <summary>Longer than anybody waits; a server takes 0 for this.</summary>
    private static readonly TimeSpan ForEver = TimeSpan.FromDays(365);

    private static readonly FrozenSet<string> OfTheConnection = Words(
        "AUTH HELLO SELECT RESET QUIT MONITOR SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE MULTI EXEC DISCARD WATCH UNWATCH ASKING READONLY READWRITE SYNC PSYNC REPLCONF");

    private static readonly FrozenSet<string> Keyless = Words(
        "PING ECHO TIME INFO DBSIZE CONFIG CLIENT COMMAND CLUSTER ACL SCRIPT FUNCTION ROLE LASTSAVE SAVE BGSAVE BGREWRITEAOF FLUSHALL FLUSHDB SLOWLOG LATENCY MODULE KEYS SCAN "
        + "RANDOMKEY PUBLISH PUBSUB WAIT WAITAOF SWAPDB SHUTDOWN REPLICAOF SLAVEOF FAILOVER LOLWUT DEBUG");

    // On a Cluster, half done by one node only.
    private static readonly FrozenSet<string> OfEveryNode = Words("FLUSHALL FLUSHDB");

    // Of SCRIPT and FUNCTION.
    private static readonly FrozenSet<string> Changes = Words("LOAD DELETE FLUSH RESTORE");

    private static readonly FrozenSet<string> KeyAfterWord = Words("OBJECT MEMORY XINFO XGROUP BITOP");

    private static readonly FrozenSet<string> KeyAfterNumber = Words("EVAL EVALSHA EVAL_RO EVALSHA_RO FCALL FCALL_RO BLMPOP BZMPOP");

    private static readonly FrozenSet<string> NumberFirst = Words("LMPOP ZMPOP SINTERCARD ZINTERCARD ZDIFF ZINTER ZUNION");

    private static readonly FrozenSet<string> WaitsByLastArgument = Words("BLPOP BRPOP BLMOVE BRPOPLPUSH BZPOPMIN BZPOPMAX");

    // What these change belongs to the connection, or is lost with it.
    private static readonly FrozenSet<string> OfTheClient = Words("REPLY TRACKING CACHING SETNAME SETINFO NO-EVICT NO-TOUCH");

    private static readonly FrozenSet<string> Reads = Words(
        "PING ECHO TIME GET MGET STRLEN GETRANGE EXISTS TYPE TTL PTTL EXPIRETIME PEXPIRETIME HGET HMGET HGETALL HKEYS HVALS HLEN HEXISTS HSTRLEN HSCAN LLEN LRANGE LINDEX LPOS "
        + "SCARD SISMEMBER SMISMEMBER SMEMBERS SINTER SUNION SDIFF SRANDMEMBER SSCAN ZCARD ZCOUNT ZSCORE ZMSCORE ZRANK ZREVRANK ZRANGE ZRANGEBYSCORE ZREVRANGE ZSCAN "
        + "XLEN XRANGE XREVRANGE XINFO BITCOUNT BITPOS GETBIT PFCOUNT GEOPOS GEODIST GEOHASH GEOSEARCH KEYS SCAN DBSIZE INFO EVAL_RO EVALSHA_RO FCALL_RO");

    /// <summary>Why a command is refused; null when it is not.</summary>
    public static string? FindRefusal(string command, ReadOnlySpan<RedisArgument> arguments)
    {
        if (OfTheConnection.Contains(command))
        {
            return $"The command {command} changes its connection, which all callers share. For what must happen at once send a script (EVAL); login and database are part of the URL.";
        }

        return arguments is [var word, ..]
            && (command.Equals("CLIENT", StringComparison.OrdinalIgnoreCase) ? OfTheClient.Contains(word.ToText())
                : command.Equals("SCRIPT", StringComparison.OrdinalIgnoreCase) && word.Is("DEBUG"))
            ? $"The command {command} {word.ToText()} changes its connection, which all callers share; the name of the connections is the option 'clientName' of the URL."
            : null;
    }

    /// <summary>What a command without a key means on a Cluster, where every primary has a part of the keys.</summary>
    public static CommandReach FindReach(string command, ReadOnlySpan<RedisArgument> arguments)
    {
        if (command.Equals("KEYS", StringComparison.OrdinalIgnoreCase))
        {
            return CommandReach.Joined;
        }

        if (command.Equals("DBSIZE", StringComparison.OrdinalIgnoreCase))
        {
            return CommandReach.Summed;
        }

        return OfEveryNode.Contains(command)
            || (arguments is [var word, ..] && (command.Equals("SCRIPT", StringComparison.OrdinalIgnoreCase) || command.Equals("FUNCTION", StringComparison.OrdinalIgnoreCase))
                && Changes.Contains(word.ToText()))
            ? CommandReach.Every
            : CommandReach.One;
    }

    /// <summary>Which argument is the key that decides where a command goes; -1 for none.</summary>
    public static int FindKey(string command, ReadOnlySpan<RedisArgument> arguments)
    {
        if (command.Equals("XREAD", StringComparison.OrdinalIgnoreCase) || command.Equals("XREADGROUP", StringComparison.OrdinalIgnoreCase))
        {
            return IndexAfter(arguments, "STREAMS");
        }

        if (command.Equals("MIGRATE", StringComparison.OrdinalIgnoreCase))
        {
            return arguments.Length > 2 && arguments[2].ToText().Length == 0 ? IndexAfter(arguments, "KEYS") : 2;
        }

        var index = Keyless.Contains(command) ? -1
            : NumberFirst.Contains(command) || KeyAfterWord.Contains(command) ? 1
            : KeyAfterNumber.Contains(command) ? 2
            : 0;

        // A script or function that touches no key runs anywhere.
        return index == 2 && arguments.Length > 1 && arguments[1].ToText() == "0" ? -1 : index < arguments.Length ? index : -1;
    }

    public static bool IsRead(string command) => Reads.Contains(command);

    /// <summary>How long a command waits in the server on purpose; null when it does not.</summary>
    public static TimeSpan? FindWait(string command, ReadOnlySpan<RedisArgument> arguments)
    {
        if (WaitsByLastArgument.Contains(command))
        {
            return arguments.IsEmpty ? null : Seconds(arguments[^1]);
        }

        return command.ToUpperInvariant() switch
        {
            "BLMPOP" or "BZMPOP" when arguments.Length > 0 => Seconds(arguments[0]),
            "WAIT" when arguments.Length > 1 => Milliseconds(arguments[1]),
            "WAITAOF" when arguments.Length > 2 => Milliseconds(arguments[2]),
            "XREAD" or "XREADGROUP" when IndexAfter(arguments, "BLOCK") is var index and > 0 && index < arguments.Length && index < IndexAfter(arguments, "STREAMS") =>
                Milliseconds(arguments[index]),
            _ => null,
        };
    }

    private static int IndexAfter(ReadOnlySpan<RedisArgument> arguments, string word)
    {
        for (var i = 0; i + 1 < arguments.Length; i++)
        {
            if (arguments[i].Is(word))
            {
                return i + 1;
            }
        }

        return -1;
    }

    private static TimeSpan Seconds(RedisArgument argument) =>
        double.TryParse(argument.ToText(), NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && seconds > 0 && seconds < ForEver.TotalSeconds
            ? TimeSpan.FromSeconds(seconds)
            : ForEver;

    private static TimeSpan Milliseconds(RedisArgument argument) =>
        long.TryParse(argument.ToText(), NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds) && milliseconds > 0 && milliseconds < ForEver.TotalMilliseconds
            ? TimeSpan.FromMilliseconds(milliseconds)
            : ForEver;

    private static FrozenSet<string> Words(string words) => words.Split(' ').ToFrozenSet(StringComparer.OrdinalIgnoreCase);
}

/// <summary>Which primaries of a Cluster a command goes to, and what becomes of their replies.</summary>
internal enum CommandReach : byte
{
    /// <summary>One: that of its key, or any.</summary>
    One,

    /// <summary>Every one; the reply is that of the first.</summary>
    Every,

    /// <summary>Every one; the reply has the items of all.</summary>
    Joined,

    /// <summary>Every one; the reply is the sum.</summary>
    Summed,
}
