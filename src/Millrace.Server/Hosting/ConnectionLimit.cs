using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Millrace.Server.Hosting;

/// <summary>
/// Counts the connections of all HTTP addresses together, and closes those above the limit as they come. The web server's own limit would count each address by itself, those of
/// STOMP too, which have a limit of their own. Safe for concurrent use.
/// </summary>
internal sealed class ConnectionLimit(int limit, ILogger logger)
{
    private int _count;
    private long _refused;

    /// <summary>How many were closed because there were too many.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>Puts the limit before what follows.</summary>
    public ConnectionDelegate Before(ConnectionDelegate next) => connection => ServeAsync(connection, next);

    private async Task ServeAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        if (Interlocked.Increment(ref _count) > limit)
        {
            Interlocked.Decrement(ref _count);
            Interlocked.Increment(ref _refused);
            logger.ConnectionRefused(connection.RemoteEndPoint?.ToString() ?? "-", limit);
            connection.Abort();
            return;
        }

        var place = new ConnectionPlace(this);
        connection.Features.Set(place);
        try
        {
            await next(connection).ConfigureAwait(false);
        }
        finally
        {
            place.Leave();
        }
    }

    /// <summary>The place of one connection. A feature of the connection, so that what becomes of it can give the place up.</summary>
    internal sealed class ConnectionPlace(ConnectionLimit limit)
    {
        private int _left;

        /// <summary>The connection does not count any more, be it that it has ended or that it is no HTTP any more.</summary>
        public void Leave()
        {
            if (Interlocked.Exchange(ref _left, 1) == 0)
            {
                Interlocked.Decrement(ref limit._count);
            }
        }
    }
}
