using System.Globalization;
using System.Net;
using Millrace.Server.Security;
using Millrace.Server.Security.Requests;
using Millrace.Server.Security.Users;
using Millrace.Stomp.Security;

namespace Millrace.Server.Stomp;

/// <summary>
/// Lets the users of a server in by STOMP: with a name and a password as <c>login</c> and <c>passcode</c>, or with a bearer key as <c>passcode</c>. Failures are delayed and
/// recorded as those of HTTP are. Safe for concurrent use.
/// </summary>
internal sealed class ServerAuthority(Authenticator authenticator, StandingPermissions standing, AuditLog audit) : IStompAuthority
{
    private const string Action = "login";
    private const string Password = "password";
    private const string Key = "key";

    // One sentence for every cause.
    private const string Wrong = "The login or the passcode is wrong, or the user is disabled, or the key has expired.";

    /// <inheritdoc/>
    public async ValueTask<StompLogin> LogInAsync(string? login, string? passcode, IPAddress? address, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(login) && string.IsNullOrEmpty(passcode))
        {
            audit.Refuse("", address, Action, "none", "failed");
            return StompLogin.Refused("This server has users: send a user's name and password as login and passcode, or a key as passcode.");
        }

        var (name, secret) = (login ?? "", passcode ?? "");
        var isKey = BearerKey.TryReadId(secret, out _);
        if (!isKey && (name.Contains(':', StringComparison.Ordinal) || name.Any(char.IsControl)))
        {
            // No user's name has them, and what is hashed as "name:password" must be one pair only.
            audit.Refuse(name, address, Action, Password, "malformed");
            return StompLogin.Refused(Wrong);
        }

        var credentials = isKey ? Credentials.Key(secret) : Credentials.Password(name, secret);
        var result = await authenticator.LogInAsync(credentials, address, cancellationToken).ConfigureAwait(false);
        return Answer(result, name, isKey ? Key : Password, address);
    }

    private StompLogin Answer(LoginResult result, string name, string kind, IPAddress? address)
    {
        switch (result.Outcome)
        {
            case LoginOutcome.Right:
                return StompLogin.Right(new ServerCaller(result.User!, standing, audit, address));
            case LoginOutcome.Delayed:
                audit.Refuse(name, address, Action, kind, "delayed");
                return StompLogin.Refused($"Logins failed before this one, which was not looked at. Try again in {SecondsOf(result.RetryAfter)} s.");
            case LoginOutcome.Busy:
                audit.Refuse(name, address, Action, kind, "busy");
                return StompLogin.Refused($"Too many logins wait to be checked. Try again in {SecondsOf(result.RetryAfter)} s.");
            default:
                audit.Refuse(name, address, Action, kind, "failed");
                return StompLogin.Refused(Wrong);
        }
    }

    private static string SecondsOf(TimeSpan wait) => Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
}
