using System.Globalization;
using Millrace.Redis.Client;
using Millrace.Redis.Client.Connections;

namespace Millrace.Redis.Persistence;

/// <summary>Asks the primaries how they keep what they hold. Safe for concurrent use.</summary>
internal static class PersistenceProbe
{
    private static readonly char[] LineEnds = ['\r', '\n'];

    /// <summary>Asks every primary: by CONFIG GET, and by INFO where that is not allowed, which tells less.</summary>
    /// <exception cref="MillraceException">A server cannot be asked at all.</exception>
    public static async ValueTask<IReadOnlyList<ServerPersistence>> ReadAsync(IRedisExecutor executor, CancellationToken cancellationToken)
    {
        try
        {
            return await AskAsync(executor, cancellationToken).ConfigureAwait(false);
        }
        catch (BackendUnavailableException cut) when (cut.MayHaveBeenApplied)
        {
            // Nobody has asked for a change.
            throw new BackendUnavailableException($"Redis could not be asked how it keeps what it holds: {RedisFaults.Words(cut.InnerException ?? cut)}.", mayHaveBeenApplied: false, cut);
        }
    }

    private static async ValueTask<IReadOnlyList<ServerPersistence>> AskAsync(IRedisExecutor executor, CancellationToken cancellationToken)
    {
        try
        {
            var logs = await executor.ExecuteOnPrimariesAsync(static () => Get("*append*"), cancellationToken).ConfigureAwait(false);
            var memory = await executor.ExecuteOnPrimariesAsync(static () => Get("maxmemory*"), cancellationToken).ConfigureAwait(false);
            return [.. logs.Select(log => Of(log.Server, Pairs(log.Reply), Pairs(memory.FirstOrDefault(other => other.Server == log.Server).Reply), "appendonly", "yes"))];
        }
        catch (RedisServerException refused) when (!refused.IsTransient)
        {
            // Renamed, switched off, or not for this user, as hosted servers have it.
            var infos = await executor.ExecuteOnPrimariesAsync(static () => RedisCommand.Create("INFO").MayRepeat(), cancellationToken).ConfigureAwait(false);
            return [.. infos.Select(info => Of(info.Server, Lines(info.Reply), Lines(info.Reply), "aof_enabled", "1"))];
        }
    }

    private static RedisCommand Get(string pattern) => RedisCommand.Create("CONFIG").Add("GET").Add(pattern).MayRepeat();

    private static ServerPersistence Of(string server, Dictionary<string, string> log, Dictionary<string, string> memory, string appendOnly, string yes) => new(
        server,
        log.TryGetValue(appendOnly, out var value) ? value == yes : null,
        log.GetValueOrDefault("appendfsync"),
        long.TryParse(memory.GetValueOrDefault("maxmemory"), NumberStyles.None, CultureInfo.InvariantCulture, out var bytes) ? bytes : 0,
        memory.GetValueOrDefault("maxmemory-policy") ?? memory.GetValueOrDefault("maxmemory_policy"),
        log.GetValueOrDefault("no-appendfsync-on-rewrite") == "yes");

    private static Dictionary<string, string> Pairs(RedisReply reply)
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i + 1 < reply.Items.Length; i += 2)
        {
            pairs[reply.Items[i].ToText() ?? ""] = reply.Items[i + 1].ToText() ?? "";
        }

        return pairs;
    }

    private static Dictionary<string, string> Lines(RedisReply reply)
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in (reply.ToText() ?? "").Split(LineEnds, StringSplitOptions.RemoveEmptyEntries))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0)
            {
                pairs[line[..colon]] = line[(colon + 1)..];
            }
        }

        return pairs;
    }
}
