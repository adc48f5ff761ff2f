using Microsoft.Extensions.Logging;

namespace Millrace.Server;

/// <summary>Every message that the server logs, with an id that stays: 2000–2099 the API, 2100–2199 security and audit, 2200–2299 hosting, health and metrics.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(2000, LogLevel.Warning, "Closing a receiver of queue '{Queue}' failed: what it held comes back when its leases end.")]
    public static partial void ReceiverCloseFailed(this ILogger logger, Exception exception, string queue);

    [LoggerMessage(2001, LogLevel.Warning, "Deliveries of queue '{Queue}' whose client is gone could not be handed back: they come back when their leases end.")]
    public static partial void HandBackFailed(this ILogger logger, Exception exception, string queue);

    [LoggerMessage(2002, LogLevel.Information, "Stream '{Stream}' can no longer be followed: the answer has ended, and whoever comes again is told why.")]
    public static partial void FollowingFailed(this ILogger logger, Exception exception, string stream);

    [LoggerMessage(2100, LogLevel.Information, "{User} at {Address}: {Action} {Resource}: {Outcome}")]
    public static partial void Audited(this ILogger logger, string user, string address, string action, string resource, string outcome);

    [LoggerMessage(2101, LogLevel.Warning, "{User} at {Address}: {Action} {Resource}: {Outcome}")]
    public static partial void AuditedRefusal(this ILogger logger, string user, string address, string action, string resource, string outcome);

    [LoggerMessage(2102, LogLevel.Error, "The audit file {File} cannot be written: its lines are lost until it can. The log goes on.")]
    public static partial void AuditFileFailed(this ILogger logger, Exception exception, string file);

    [LoggerMessage(2110, LogLevel.Information, "The users file {File} is in force: {Users} users, {Roles} roles.")]
    public static partial void UsersLoaded(this ILogger logger, string file, int users, int roles);

    [LoggerMessage(2111, LogLevel.Error, "The users file {File} was changed and is not taken over; the users that were there before stay. {Fault}")]
    public static partial void UsersRefused(this ILogger logger, string file, string fault);

    [LoggerMessage(2112, LogLevel.Warning, "The users file {File} can be read or written by others than its owner (mode {Mode}): 'chmod 600' it.")]
    public static partial void UsersFileIsOpen(this ILogger logger, string file, string mode);

    [LoggerMessage(2113, LogLevel.Warning, "The server listens on {Address} without TLS: passwords and keys cross the network in the clear.")]
    public static partial void PlainText(this ILogger logger, string address);

    [LoggerMessage(2120, LogLevel.Information, "The certificate {File} is in force: {Subject}, until {NotAfter}.")]
    public static partial void CertificateLoaded(this ILogger logger, string file, string subject, DateTimeOffset notAfter);

    [LoggerMessage(2121, LogLevel.Error, "The certificate was changed and is not taken over; the one that was there before stays. {Fault}")]
    public static partial void CertificateRefused(this ILogger logger, string fault);

    [LoggerMessage(2122, LogLevel.Warning, "The certificate {File} ends on {NotAfter}: replace it in time.")]
    public static partial void CertificateEndsSoon(this ILogger logger, string file, DateTimeOffset notAfter);

    [LoggerMessage(2200, LogLevel.Error, "{Method} request {RequestId} failed by a fault of the server.")]
    public static partial void RequestFailed(this ILogger logger, Exception exception, string method, string requestId);

    [LoggerMessage(2201, LogLevel.Information, "Listening on {Addresses}.")]
    public static partial void ServerStarted(this ILogger logger, string addresses);

    [LoggerMessage(2202, LogLevel.Information, "Stopping: no new connections; running requests have {DrainMs} ms.")]
    public static partial void ServerStopping(this ILogger logger, double drainMs);

    [LoggerMessage(2203, LogLevel.Information, "Stopped.")]
    public static partial void ServerStopped(this ILogger logger);

    [LoggerMessage(2204, LogLevel.Warning, "A connection from {Peer} was closed as it came: there are {Limit} connections, which is the limit.")]
    public static partial void ConnectionRefused(this ILogger logger, string peer, int limit);

    [LoggerMessage(EventId = 2205, Message = "{Method} request {RequestId} was answered with {Status} {Code}: {Reason}")]
    public static partial void BackendFailed(this ILogger logger, LogLevel level, string method, string requestId, int status, string code, string reason);

    [LoggerMessage(
        2206,
        LogLevel.Warning,
        "{Count} more requests to the instance '{Instance}' were answered with {Status} {Code} in {Seconds:0.#} s, the last one {Method} request {RequestId}: {Reason}")]
    public static partial void BackendFailedMore(
        this ILogger logger, long count, string instance, int status, string code, double seconds, string method, string requestId, string reason);

    [LoggerMessage(
        2207,
        LogLevel.Information,
        "The instance '{Instance}' answers no request with {Status} {Code} any more. {Count} were in {Seconds:0.#} s, {LeftOut} of them since the last line about it.")]
    public static partial void BackendFailureOver(this ILogger logger, string instance, int status, string code, long count, double seconds, long leftOut);

    [LoggerMessage(2210, LogLevel.Warning, "The health check '{Check}' fails: {Error}")]
    public static partial void CheckFailed(this ILogger logger, string check, string error);

    [LoggerMessage(2211, LogLevel.Information, "The health check '{Check}' succeeds again.")]
    public static partial void CheckSucceeds(this ILogger logger, string check);

    [LoggerMessage(2212, LogLevel.Error, "The probe of the health check '{Check}' threw.")]
    public static partial void HealthProbeThrew(this ILogger logger, Exception exception, string check);

    [LoggerMessage(2220, LogLevel.Warning, "The counts of the queues of instance '{Instance}' could not be read for the metrics.")]
    public static partial void QueueCountsFailed(this ILogger logger, Exception exception, string instance);

    [LoggerMessage(2222, LogLevel.Warning, "The metrics leave the queue '{Queue}' of instance '{Instance}' out: {Reason}")]
    public static partial void QueueLeftOut(this ILogger logger, string instance, string queue, string reason);

    [LoggerMessage(2221, LogLevel.Warning, "The counts of the streams of instance '{Instance}' could not be read for the metrics.")]
    public static partial void StreamCountsFailed(this ILogger logger, Exception exception, string instance);

    [LoggerMessage(2230, LogLevel.Error, "The schedule '{Schedule}' of {Source} is refused; the others are in force. {Fault}")]
    public static partial void ScheduleOfFileRefused(this ILogger logger, string schedule, string source, string fault);
}
