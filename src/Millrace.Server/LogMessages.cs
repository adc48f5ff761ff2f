using Microsoft.Extensions.Logging;

namespace Millrace.Server;

/// <summary>Every message that the server logs, with an id that stays: 2000–2099 the API; 2100–2199 security and audit; 2200–2299 hosting, health and metrics.</summary>
internal static partial class LogMessages
{
    // Security and audit.
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
}
