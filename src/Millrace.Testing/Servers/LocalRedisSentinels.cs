using System.Globalization;

namespace Millrace.Testing.Servers;

/// <summary>A primary, two replicas, and three Sentinels that watch them, for tests. Killed on disposal, and when the test's process ends.</summary>
public sealed class LocalRedisSentinels : IAsyncDisposable
{
    private const int ReplicaCount = 2;
    private const int SentinelCount = 3;

    // A fail-over that has failed is tried again after twice this.
    private const int FailoverTimeoutMs = 5_000;

    // In milliseconds, a fraction of the usual: how often Sentinels tell each other of themselves, ask the servers, and each other for votes. And one that was not given the processor for
    // a while rests for thirty seconds otherwise.
    private static readonly string[] Periods = ["publish-period", "250", "info-period", "1000", "ask-period", "250", "tilt-period", "1000"];

    private readonly List<LocalRedis> _servers = [];
    private readonly List<LocalRedis> _sentinels = [];

    private LocalRedisSentinels(string name) => Name = name;

    /// <summary>What the Sentinels call the primary.</summary>
    public string Name { get; }

    /// <summary>The servers. The first one starts as the primary; after a fail-over it is another: see <see cref="FindPrimaryAsync"/>.</summary>
    public IReadOnlyList<LocalRedis> Servers => _servers;

    /// <summary>The Sentinels.</summary>
    public IReadOnlyList<LocalRedis> Sentinels => _sentinels;

    /// <summary>The Sentinels' hosts and ports, separated by commas, as a URL has them.</summary>
    public string EndPoints => string.Join(',', _sentinels.Select(sentinel => sentinel.EndPoint));

    /// <summary>Starts all; returns when the replicas have caught up and each Sentinel knows the replicas and the other Sentinels, so that a fail-over can be decided.</summary>
    /// <exception cref="MillraceConfigurationException">redis-server is not installed.</exception>
    public static async Task<LocalRedisSentinels> StartAsync(LocalRedisOptions? options = null, string name = "mymaster", CancellationToken cancellationToken = default)
    {
        options ??= LocalRedisOptions.Default;
        var set = new LocalRedisSentinels(name);
        try
        {
            await set.StartAllAsync(options, cancellationToken).ConfigureAwait(false);
            return set;
        }
        catch
        {
            await set.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The primary as a Sentinel that runs names it now.</summary>
    public async Task<LocalRedis> FindPrimaryAsync(CancellationToken cancellationToken = default)
    {
        var sentinel = _sentinels.Find(one => one.IsRunning) ?? throw new InvalidOperationException("No Sentinel runs.");
        var address = (await sentinel.ExecuteAsync(["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Name], cancellationToken).ConfigureAwait(false)).Split('\n');
        return _servers.Single(server => server.Port.ToString(CultureInfo.InvariantCulture) == address[^1]);
    }

    /// <summary>Lets something happen to the primary, such as its death, and waits until every Sentinel has switched to another one.</summary>
    /// <param name="cause">What happens to the primary; null: a Sentinel is told to fail over.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The new primary.</returns>
    public async Task<LocalRedis> FailOverAsync(Func<LocalRedis, Task>? cause = null, CancellationToken cancellationToken = default)
    {
        var from = _sentinels.ConvertAll(sentinel => sentinel.LogLines);
        var switched = _sentinels.Select((sentinel, i) => sentinel.WaitForLogAsync($"+switch-master {Name} ", from[i], cancellationToken)).ToArray();
        if (cause is null)
        {
            await _sentinels[0].ExecuteAsync(["SENTINEL", "FAILOVER", Name], cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await cause(await FindPrimaryAsync(cancellationToken).ConfigureAwait(false)).ConfigureAwait(false);
        }

        var line = (await Task.WhenAll(switched).ConfigureAwait(false))[0];
        var port = line.TrimEnd().Split(' ')[^1];
        return _servers.Single(server => server.Port.ToString(CultureInfo.InvariantCulture) == port);
    }

    /// <summary>Kills all.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var server in (LocalRedis[])[.. _sentinels, .. _servers])
        {
            await server.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task StartAllAsync(LocalRedisOptions options, CancellationToken cancellationToken)
    {
        options = options with { Arguments = ["--repl-diskless-sync-delay", "0", .. options.Arguments] };
        var primary = await LocalRedis.StartServerAsync(options, [], cancellationToken).ConfigureAwait(false);
        _servers.Add(primary);
        string[] replica = [string.Create(CultureInfo.InvariantCulture, $"replicaof {primary.Address} {primary.Port}")];
        var replicas = Enumerable.Range(0, ReplicaCount).Select(_ => LocalRedis.StartServerAsync(options, replica, cancellationToken));
        await LocalRedis.StartAllAsync(replicas, _servers).ConfigureAwait(false);
        foreach (var server in _servers.Skip(1))
        {
            await server.WaitForLogAsync("Finished with success", 0, cancellationToken).ConfigureAwait(false);
        }

        string[] configuration =
        [
            string.Create(CultureInfo.InvariantCulture, $"sentinel monitor {Name} {primary.Address} {primary.Port} {(SentinelCount / 2) + 1}"),
            string.Create(CultureInfo.InvariantCulture, $"sentinel down-after-milliseconds {Name} {(long)options.DownAfter.TotalMilliseconds}"),
            string.Create(CultureInfo.InvariantCulture, $"sentinel failover-timeout {Name} {FailoverTimeoutMs}"),
            string.Create(CultureInfo.InvariantCulture, $"sentinel parallel-syncs {Name} {ReplicaCount}"),
            .. options.Password is { } password ? (string[])[$"sentinel auth-pass {Name} {LocalRedis.Quote(password)}"] : [],
        ];
        var sentinels = Enumerable.Range(0, SentinelCount).Select(_ => LocalRedis.StartSentinelAsync(options, configuration, cancellationToken));
        await LocalRedis.StartAllAsync(sentinels, _sentinels).ConfigureAwait(false);
        foreach (var sentinel in _sentinels)
        {
            await sentinel.ExecuteAsync(["SENTINEL", "DEBUG", .. Periods], cancellationToken).ConfigureAwait(false);
        }

        foreach (var sentinel in _sentinels)
        {
            foreach (var server in _servers.Skip(1))
            {
                await sentinel.WaitForLogAsync($"+slave slave {server.EndPoint} ", 0, cancellationToken).ConfigureAwait(false);
            }

            foreach (var other in _sentinels.Where(other => other != sentinel))
            {
                await sentinel.WaitForLogAsync(string.Create(CultureInfo.InvariantCulture, $" {other.Address} {other.Port} @ {Name} "), 0, cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
