using Microsoft.Extensions.Logging;

namespace Millrace.Server;

/// <summary>Every message that the server logs, with an id that stays: 2000–2099 the API, 2100–2199 security and audit, 2200–2299 hosting, health and metrics.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(2000, LogLevel.Error, "The request {RequestId} ({Method} {Path}) met a fault of the server.")]
    public static partial void RequestFailed(this ILogger logger, Exception exception, string requestId, string method, string path);

    [LoggerMessage(2001, LogLevel.Warning, "Closing a receiver of queue '{Queue}' failed: what it held comes back when its leases end.")]
    public static partial void ReceiverCloseFailed(this ILogger logger, Exception exception, string queue);

    [LoggerMessage(2002, LogLevel.Warning, "Deliveries of queue '{Queue}' whose client is gone could not be handed back: they come back when their leases end.")]
    public static partial void HandBackFailed(this ILogger logger, Exception exception, string queue);
}
