using Microsoft.Extensions.Logging;

namespace Millrace.Stomp;

/// <summary>Everything that the broker logs. Ids are stable; those from 3000 to 3099 are its.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(3000, LogLevel.Information, "Connection {Id} from {Peer} speaks STOMP {Version} as '{User}'.")]
    public static partial void ConnectionOpened(this ILogger logger, string id, string peer, string version, string user);

    [LoggerMessage(3001, LogLevel.Information, "Connection {Id} from {Peer} has ended: {Reason}.")]
    public static partial void ConnectionEnded(this ILogger logger, string id, string peer, string reason);

    [LoggerMessage(3002, LogLevel.Warning, "A connection from {Peer} was refused: {Reason}")]
    public static partial void ConnectionRefused(this ILogger logger, string peer, string reason);

    [LoggerMessage(3003, LogLevel.Warning, "Connection {Id} from {Peer} was sent an ERROR, {Summary}: {Detail}")]
    public static partial void ErrorSent(this ILogger logger, string id, string peer, string summary, string detail);

    [LoggerMessage(3004, LogLevel.Error, "Connection {Id} from {Peer} met a fault of the broker.")]
    public static partial void ConnectionFailed(this ILogger logger, Exception exception, string id, string peer);

    [LoggerMessage(3005, LogLevel.Warning, "The temporary queue '{Queue}' could not be deleted; it deletes itself when it has been idle for a minute.")]
    public static partial void TemporaryQueueLeft(this ILogger logger, Exception exception, string queue);

    [LoggerMessage(3006, LogLevel.Error, "Connection {Id} from {Peer}: the store failed.")]
    public static partial void StoreFailed(this ILogger logger, Exception exception, string id, string peer);

    [LoggerMessage(3007, LogLevel.Warning, "A login from {Peer} was refused: {Reason}")]
    public static partial void LoginRefused(this ILogger logger, string peer, string reason);
}
