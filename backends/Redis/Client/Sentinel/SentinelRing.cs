using System.Globalization;
using Millrace.Redis.Client.Connections;

namespace Millrace.Redis.Client.Sentinel;

/// <summary>The sentinels that are known: those of the URL and those that these have named. Safe for concurrent use.</summary>
internal sealed class SentinelRing(IReadOnlyList<RedisServerAddress> servers, string primaryName, RedisDialer dialer, RedisIntroduction introduction)
{
    private const int MostSentinels = 32;

    private readonly Lock _gate = new();
    private readonly List<RedisServerAddress> _servers = [.. servers];
    private int _switches;

    public string PrimaryName => primaryName;

    public string Target { get; } = $"'{primaryName}' of {string.Join(",", servers)}";

    /// <summary>All, the ones that have answered last first.</summary>
    public RedisServerAddress[] Snapshot()
    {
        lock (_gate)
        {
            return [.. _servers];
        }
    }

    /// <summary>Puts one first.</summary>
    public void Prefer(RedisServerAddress sentinel)
    {
        lock (_gate)
        {
            if (_servers.Remove(sentinel))
            {
                _servers.Insert(0, sentinel);
            }
        }
    }

    /// <summary>How often another primary was announced until now: whoever has looked for it meanwhile may have been sent to the old one.</summary>
    public int Switches => Volatile.Read(ref _switches);

    /// <summary>One has announced another primary. It is asked first, because the others may not know yet, and the old primary may still take itself for one.</summary>
    public void Announce(RedisServerAddress sentinel)
    {
        Prefer(sentinel);
        Interlocked.Increment(ref _switches);
    }

    public ValueTask<RedisConnection> ConnectAsync(RedisServerAddress sentinel, CancellationToken cancellationToken) =>
        dialer.DialAsync(sentinel, introduction, cancellationToken);

    /// <summary>Asks one sentinel who the primary is, and who else is a sentinel.</summary>
    /// <exception cref="MillraceConfigurationException">It knows no such primary.</exception>
    /// <exception cref="BackendUnavailableException">It cannot be reached.</exception>
    public async ValueTask<RedisServerAddress> AskAsync(RedisServerAddress sentinel, CancellationToken cancellationToken)
    {
        var connection = await ConnectAsync(sentinel, cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        try
        {
            var asked = connection.ExecuteAsync(RedisCommand.Create("SENTINEL").Add("GET-MASTER-ADDR-BY-NAME").Add(primaryName));
            var primary = await asked.ConfigureAwait(false);
            if (primary.Items is not [var host, var port])
            {
                throw new MillraceConfigurationException($"The sentinel at {sentinel} knows no primary '{primaryName}'. The path of the URL must be the name of its 'sentinel monitor', as in redis+sentinel://{sentinel}/mymaster/0.");
            }

            Learn(await connection.ExecuteAsync(RedisCommand.Create("SENTINEL").Add("SENTINELS").Add(primaryName)).ConfigureAwait(false));
            return new RedisServerAddress(host.ToText()!, (int)port.ToInteger());
        }
        catch (RedisServerException refusal)
        {
            throw new BackendUnavailableException($"The sentinel at {sentinel} does not tell the primary '{primaryName}': {refusal.Message}", mayHaveBeenApplied: false, refusal);
        }
        catch (BackendUnavailableException cut) when (cut.MayHaveBeenApplied)
        {
            throw RedisFaults.Unprepared(sentinel.ToString(), cut);
        }
    }

    private void Learn(RedisReply others)
    {
        foreach (var other in others.Items)
        {
            string? host = null;
            string? port = null;
            for (var i = 0; i + 1 < other.Items.Length; i += 2)
            {
                var name = other.Items[i].Bytes.Span;
                host = name.SequenceEqual("ip"u8) ? other.Items[i + 1].ToText() : host;
                port = name.SequenceEqual("port"u8) ? other.Items[i + 1].ToText() : port;
            }

            if (!string.IsNullOrEmpty(host) && int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                Add(new RedisServerAddress(host, number));
            }
        }
    }

    private void Add(RedisServerAddress sentinel)
    {
        lock (_gate)
        {
            if (!_servers.Contains(sentinel) && _servers.Count < MostSentinels)
            {
                _servers.Add(sentinel);
            }
        }
    }
}
