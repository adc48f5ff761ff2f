using Microsoft.Extensions.Logging;
using Millrace.Redis.Channels;
using Millrace.Redis.Client;
using Millrace.Redis.Locks;
using Millrace.Redis.Persistence;
using Millrace.Redis.Queues;
using Millrace.Redis.State;
using Millrace.Redis.Streams;
using Millrace.Storage;

namespace Millrace.Redis;

/// <summary>
/// The backend <c>redis:</c>: queues, streams, channels, locks and state on a Redis server, on the primary that Sentinel names, or on a Redis Cluster, shared by any number of
/// processes and machines.
/// </summary>
public sealed class RedisBackend : Backend, IHealthProbe
{
    private readonly IRedisExecutor _executor;
    private readonly RedisOptions _options;
    private readonly TimeProvider _time;
    private readonly RedisQueueStore _queues;
    private readonly RedisStreamStore _streams;
    private readonly RedisChannelTransport _channels;
    private readonly RedisLockStore _locks;
    private readonly RedisStateStore _state;

    private RedisBackend(IRedisExecutor executor, RedisOptions options, TimeProvider time)
    {
        (_executor, _options, _time) = (executor, options, time);
        var keys = new RedisKeys(options.Prefix);
        var writes = new ReplicatedWrites(executor, options.WaitReplicas, options.WaitTimeout);
        var durability = options.Durability == RedisDurability.Full ? StoreDurability.Full : StoreDurability.Engine;
        _streams = new RedisStreamStore(executor, writes, keys, durability, _time);
        _channels = new RedisChannelTransport(executor, writes, keys, options.Database, options.History);
        _locks = new RedisLockStore(executor, writes, keys, _time);
        _state = new RedisStateStore(executor, writes, keys);
        _queues = RedisQueueStore.Create(executor, writes, options.QueuePrefix is null ? keys : new RedisKeys(options.QueuePrefix), options.CreatesQueues, durability, _time);
    }

    /// <inheritdoc/>
    public override string Name => "redis";

    /// <inheritdoc/>
    public override IQueueStore Queues => _queues;

    /// <inheritdoc/>
    public override IStreamStore Streams => _streams;

    /// <inheritdoc/>
    public override IChannelTransport Channels => _channels;

    /// <inheritdoc/>
    public override ILockStore Locks => _locks;

    /// <inheritdoc/>
    public override IStateStore State => _state;

    /// <inheritdoc/>
    public override IHealthProbe Health => this;

    /// <summary>Opens a connection to the servers that a URL names.</summary>
    /// <param name="url">Names the servers and the options.</param>
    /// <param name="context">Clock and log.</param>
    /// <param name="cancellationToken">Ends the opening.</param>
    /// <exception cref="MillraceConfigurationException">An option is wrong, or the servers are not set up for what it asks.</exception>
    /// <exception cref="BackendUnavailableException">No server could be reached.</exception>
    public static async ValueTask<Backend> OpenAsync(BackendUrl url, BackendContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(url);
        ArgumentNullException.ThrowIfNull(context);
        var options = RedisOptions.Parse(url);
        var executor = await RedisDialing.OpenAsync(options, context, cancellationToken).ConfigureAwait(false);
        try
        {
            var servers = await PersistenceProbe.ReadAsync(executor, cancellationToken).ConfigureAwait(false);
            RequireDurability(options, servers);
            Report(servers, context.LoggerFactory.CreateLogger<RedisBackend>());
            return new RedisBackend(executor, options, context.TimeProvider);
        }
        catch
        {
            await executor.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>
    /// Asks every primary how it keeps what it holds, which is a round trip to each. Unhealthy when one cannot be reached, or no longer keeps what <c>durability=full</c> asks for.
    /// </summary>
    public async ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default)
    {
        var start = _time.GetTimestamp();
        string? error = null;
        var details = new Dictionary<string, string> { ["durability"] = _options.Durability == RedisDurability.Full ? "full" : "engine" };
        try
        {
            // First what ends soon and says why: whoever asks does not wait as long as commands may take.
            await _executor.ProbeAsync(cancellationToken).ConfigureAwait(false);
            var servers = await PersistenceProbe.ReadAsync(_executor, cancellationToken).ConfigureAwait(false);
            error = WhyNotDurable(_options, servers);
            Describe(servers, details);
        }
        catch (Exception fault) when (fault is MillraceException or ObjectDisposedException)
        {
            error = fault.Message;
        }

        return new HealthReport(error is null, _time.GetElapsedTime(start), error, details);
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        // What receivers hold is given back over the connection.
        await _queues.DisposeAsync().ConfigureAwait(false);
        await _channels.DisposeAsync().ConfigureAwait(false);
        await _streams.DisposeAsync().ConfigureAwait(false);
        await _state.DisposeAsync().ConfigureAwait(false);
        await _locks.DisposeAsync().ConfigureAwait(false);
        await _executor.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>The backend over another way to the servers, and by another clock than its connections, for tests.</summary>
    internal static RedisBackend Over(IRedisExecutor executor, RedisOptions options, TimeProvider time) => new(executor, options, time);

    /// <summary>Ends as the death of the process would, for tests: the connections are cut, and nothing is given back.</summary>
    internal ValueTask AbandonAsync() => _executor.DisposeAsync();

    private static void RequireDurability(RedisOptions options, IReadOnlyList<ServerPersistence> servers)
    {
        if (WhyNotDurable(options, servers) is { } reason)
        {
            throw new MillraceConfigurationException(reason);
        }
    }

    private static string? WhyNotDurable(RedisOptions options, IReadOnlyList<ServerPersistence> servers) =>
        options.Durability == RedisDurability.Full && servers.FirstOrDefault(server => !server.IsFull) is { } server
            ? $"The option durability=full needs 'appendonly yes', 'appendfsync always' and 'no-appendfsync-on-rewrite no' on every Redis server; {server.Server} has: {server.Settings}. Set them there, or leave the option out."
            : null;

    private static void Report(IReadOnlyList<ServerPersistence> servers, ILogger logger)
    {
        foreach (var server in servers)
        {
            LogMessages.PersistenceFound(logger, server.Server, server.Settings, server.Memory, server.Meaning);
            if (server.EvictionWarning is { } warning)
            {
                LogMessages.KeysMayBeDropped(logger, server.Server, warning);
            }
        }
    }

    private static void Describe(IReadOnlyList<ServerPersistence> servers, Dictionary<string, string> details)
    {
        details["persistence"] = string.Join("; ", servers.Select(server => server.Settings).Distinct());
        details["memory"] = string.Join("; ", servers.Select(server => server.Memory).Distinct());
        details["meaning"] = string.Join("; ", servers.Select(server => server.Meaning).Distinct());
        var warnings = servers.Where(server => server.EvictionWarning is not null).Select(server => $"{server.Server}: {server.EvictionWarning}").ToList();
        if (warnings.Count > 0)
        {
            details["warning"] = string.Join("; ", warnings);
        }
    }
}
