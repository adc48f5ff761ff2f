using System.Globalization;

namespace Millrace.Testing.Servers;

/// <summary>A Redis Cluster of three primaries with a replica each, for tests. Killed on disposal, and when the test's process ends.</summary>
public sealed class LocalRedisCluster : IAsyncDisposable
{
    private const int PrimaryCount = 3;
    private const int ReplicasEach = 1;

    private readonly List<LocalRedis> _servers = [];

    private LocalRedisCluster()
    {
    }

    /// <summary>The servers: the first three start as the primaries. Who is what now, <c>CLUSTER NODES</c> tells.</summary>
    public IReadOnlyList<LocalRedis> Servers => _servers;

    /// <summary>The servers' hosts and ports, separated by commas, as a URL has them.</summary>
    public string EndPoints => string.Join(',', _servers.Select(server => server.EndPoint));

    /// <summary>Starts all and joins them; returns when every node has all slots served and the replicas have caught up.</summary>
    /// <exception cref="MillraceConfigurationException">redis-server or redis-cli is not installed.</exception>
    public static async Task<LocalRedisCluster> StartAsync(LocalRedisOptions? options = null, CancellationToken cancellationToken = default)
    {
        var cluster = new LocalRedisCluster();
        try
        {
            await cluster.StartAllAsync(options ?? LocalRedisOptions.Default, cancellationToken).ConfigureAwait(false);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Runs <c>redis-cli --cluster</c> with further arguments, such as <c>["reshard", …]</c>, and returns what it writes.</summary>
    /// <exception cref="InvalidOperationException">It failed; says how.</exception>
    public async Task<string> ManageAsync(IEnumerable<string> arguments, CancellationToken cancellationToken = default)
    {
        var server = _servers.Find(one => one.IsRunning) ?? throw new InvalidOperationException("No server runs.");
        var (exitCode, output) = await server.RunCliAsync(["--cluster", .. arguments], cancellationToken).ConfigureAwait(false);
        return exitCode == 0 ? output : throw new InvalidOperationException($"redis-cli --cluster failed: {output}");
    }

    /// <summary>Makes a replica the primary of its slots, by agreement with the one that was; tried again where the others did not agree in time. Returns when it is.</summary>
    public async Task FailOverAsync(LocalRedis replica, CancellationToken cancellationToken = default)
    {
        if (!_servers.Contains(replica))
        {
            throw new ArgumentException("The server is none of this Cluster's.", nameof(replica));
        }

        string ended;
        do
        {
            var from = replica.LogLines;
            using var other = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var won = replica.WaitForLogAsync("Failover election won", from, other.Token);
            var late = replica.WaitForLogAsync("Manual failover timed out", from, other.Token);
            await replica.ExecuteAsync(["CLUSTER", "FAILOVER"], cancellationToken).ConfigureAwait(false);
            ended = await (await Task.WhenAny(won, late).ConfigureAwait(false)).ConfigureAwait(false);
            await other.CancelAsync().ConfigureAwait(false);
        }
        while (!ended.Contains("won", StringComparison.Ordinal));
    }

    /// <summary>Kills all.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers)
        {
            await server.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task StartAllAsync(LocalRedisOptions options, CancellationToken cancellationToken)
    {
        var timeout = ((long)options.DownAfter.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
        options = options with { Arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", timeout, "--repl-diskless-sync-delay", "0", .. options.Arguments] };
        var starts = Enumerable.Range(0, PrimaryCount * (1 + ReplicasEach)).Select(_ => LocalRedis.StartServerAsync(options, [], cancellationToken));
        await LocalRedis.StartAllAsync(starts, _servers).ConfigureAwait(false);

        // Without brackets: what stands before the last colon is the address.
        var nodes = _servers.Select(server => string.Create(CultureInfo.InvariantCulture, $"{server.Address}:{server.Port}"));
        await ManageAsync(["create", .. nodes, "--cluster-replicas", ReplicasEach.ToString(CultureInfo.InvariantCulture), "--cluster-yes"], cancellationToken).ConfigureAwait(false);
        foreach (var server in _servers)
        {
            await server.WaitForLogAsync("Cluster state changed: ok", 0, cancellationToken).ConfigureAwait(false);
        }

        foreach (var replica in _servers.Skip(PrimaryCount))
        {
            await replica.WaitForLogAsync("Finished with success", 0, cancellationToken).ConfigureAwait(false);
        }
    }
}
