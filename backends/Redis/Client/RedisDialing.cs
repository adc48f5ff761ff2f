using Microsoft.Extensions.Logging;
using Millrace.Redis.Client.Cluster;
using Millrace.Redis.Client.Connections;
using Millrace.Redis.Client.Sentinel;
using Millrace.Storage;

namespace Millrace.Redis.Client;

/// <summary>Opens the way to the servers that options name.</summary>
internal static class RedisDialing
{
    /// <summary>Connections to a server that are not lent: one for commands, one for subscriptions.</summary>
    public const int SharedConnections = 2;

    /// <summary>Connects.</summary>
    /// <exception cref="MillraceException">There is no connection, or it is not what the options ask for.</exception>
    public static ValueTask<IRedisExecutor> OpenAsync(RedisOptions options, BackendContext context, CancellationToken cancellationToken)
    {
        var logger = context.LoggerFactory.CreateLogger("Millrace.Redis");
        var settings = new ConnectionSettings { TimeProvider = context.TimeProvider, ReplyTimeout = options.Timeout };
        var dialer = new RedisDialer(settings, options.ConnectTimeout, options.Tls);
        var mode = options.Topology == RedisTopology.Cluster ? RedisServerMode.Cluster : RedisServerMode.Standalone;
        var introduction = new RedisIntroduction(options.Login, options.ClientName, options.Database, mode)
        {
            MustBePrimary = options.Topology == RedisTopology.Single && !options.TakesReplicas,
        };
        return options.Topology switch
        {
            RedisTopology.Cluster => OpenClusterAsync(new ClusterExecutor(options, new ClusterDialing(dialer, introduction), context.TimeProvider, logger), cancellationToken),
            RedisTopology.Sentinel => OpenSentinelAsync(options, dialer, introduction, context.TimeProvider, logger, cancellationToken),
            _ => OpenAsync(
                new RedisExecutor(new FixedConnector(dialer, options.Servers[0], introduction), canFailOver: false, options, context.TimeProvider, logger), cancellationToken),
        };
    }

    private static ValueTask<IRedisExecutor> OpenSentinelAsync(
        RedisOptions options, RedisDialer dialer, RedisIntroduction introduction, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        var toSentinels = new RedisIntroduction(options.SentinelLogin, options.ClientName, 0, RedisServerMode.Sentinel);
        var ring = new SentinelRing(options.Servers, options.PrimaryName!, dialer, toSentinels);
        var executor = new RedisExecutor(new SentinelConnector(ring, dialer, introduction), canFailOver: true, options, time, logger);
        executor.Watch = new SentinelWatch(ring, executor, time, options.Timeout, logger);
        return OpenAsync(executor, cancellationToken);
    }

    private static async ValueTask<IRedisExecutor> OpenAsync(RedisExecutor executor, CancellationToken cancellationToken)
    {
        try
        {
            await executor.OpenAsync(cancellationToken).ConfigureAwait(false);
            return executor;
        }
        catch
        {
            await executor.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static async ValueTask<IRedisExecutor> OpenClusterAsync(ClusterExecutor executor, CancellationToken cancellationToken)
    {
        try
        {
            await executor.OpenAsync(cancellationToken).ConfigureAwait(false);
            return executor;
        }
        catch
        {
            await executor.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }
}
