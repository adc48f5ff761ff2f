using Microsoft.Extensions.Logging;

namespace Millrace.Server;

/// <summary>Every message that the server logs, with an id that stays: 2000–2099 the API, 2100–2199 security and audit, 2200–2299 hosting, health and metrics.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(2000, LogLevel.Warning, "Closing a receiver of queue '{Queue}' failed: what it held comes back when its leases end.")]
    public static partial void ReceiverCloseFailed(this ILogger logger, Exception exception, string queue);

    [LoggerMessage(2001, LogLevel.Warning, "Deliveries of queue '{Queue}' whose client is gone could not be handed back: they come back when their leases end.")]
    public static partial void HandBackFailed(this ILogger logger, Exception exception, string queue);

    [LoggerMessage(2200, LogLevel.Error, "{Method} request {RequestId} failed by a fault of the server.")]
    public static partial void RequestFailed(this ILogger logger, Exception exception, string method, string requestId);

    [LoggerMessage(2201, LogLevel.Information, "Listening on {Addresses}.")]
    public static partial void ServerStarted(this ILogger logger, string addresses);

    [LoggerMessage(2202, LogLevel.Information, "Stopping: no new connections; running requests have {DrainMs} ms.")]
    public static partial void ServerStopping(this ILogger logger, double drainMs);

    [LoggerMessage(2203, LogLevel.Information, "Stopped.")]
    public static partial void ServerStopped(this ILogger logger);

    [LoggerMessage(2210, LogLevel.Warning, "The instance '{Instance}' is unhealthy: {Error}")]
    public static partial void InstanceUnhealthy(this ILogger logger, string instance, string error);

    [LoggerMessage(2211, LogLevel.Information, "The instance '{Instance}' is healthy again.")]
    public static partial void InstanceHealthy(this ILogger logger, string instance);

    [LoggerMessage(2212, LogLevel.Error, "The health probe of instance '{Instance}' threw.")]
    public static partial void HealthProbeThrew(this ILogger logger, Exception exception, string instance);

    [LoggerMessage(2220, LogLevel.Warning, "The counts of the queues of instance '{Instance}' could not be read for the metrics.")]
    public static partial void QueueCountsFailed(this ILogger logger, Exception exception, string instance);
}
