using Millrace.Redis.Client.Connections;
using Millrace.Storage;

namespace Millrace.Redis.Client;

/// <summary>Opens the way to the servers that options name.</summary>
internal static class RedisDialing
{
    /// <summary>Connections to a server that are not lent: one for commands, one for subscriptions.</summary>
    public const int SharedConnections = 2;

    /// <summary>Connects.</summary>
    /// <exception cref="MillraceException">There is no connection, or it is not what the options ask for.</exception>
    public static async ValueTask<IRedisExecutor> OpenAsync(RedisOptions options, BackendContext context, CancellationToken cancellationToken)
    {
        var logger = context.LoggerFactory.CreateLogger("Millrace.Redis");
        var settings = new ConnectionSettings { TimeProvider = context.TimeProvider, ReplyTimeout = options.Timeout };
        var dialer = new RedisDialer(settings, options.ConnectTimeout, options.Tls);
        var introduction = new RedisIntroduction(options.Login, options.ClientName, options.Database);
        var executor = new RedisExecutor(new FixedConnector(dialer, options.Servers[0], introduction), canFailOver: false, options, context.TimeProvider, logger);
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
