using Microsoft.AspNetCore.Http;

namespace Millrace.Server.Security.Requests;

/// <summary>Lets requests through with the caller that they prove, and no others; except on paths that are open to all, where the caller is nobody.</summary>
internal sealed class AuthenticationGate(RequestDelegate next, Authenticator authenticator, Func<HttpContext, bool> isOpen, AuditLog audit)
{
    private const string Action = "login";

    public async Task InvokeAsync(HttpContext context)
    {
        if (isOpen(context))
        {
            context.Features.Set(Caller.Nobody);
            await next(context).ConfigureAwait(false);
            return;
        }

        var header = context.Request.Headers.Authorization;
        if (header.Count == 0)
        {
            await RefuseAsync(context, "", "none", "This server has users: send a user's name and password (Basic), or a key (Bearer).").ConfigureAwait(false);
        }
        else if (!Credentials.TryRead(header, out var credentials))
        {
            await RefuseAsync(context, "", "malformed", "The Authorization header is neither Basic, with a name and a password in Base64 of UTF-8, nor Bearer.")
                .ConfigureAwait(false);
        }
        else
        {
            await LogInAsync(context, credentials).ConfigureAwait(false);
        }
    }

    private async Task LogInAsync(HttpContext context, Credentials credentials)
    {
        var result = await authenticator.LogInAsync(credentials, context.Connection.RemoteIpAddress, context.RequestAborted).ConfigureAwait(false);
        var name = credentials.Name ?? "";
        var kind = credentials.Name is null ? "key" : "password";
        switch (result.Outcome)
        {
            case LoginOutcome.Right:
                context.Features.Set<Caller>(result.User);
                await next(context).ConfigureAwait(false);
                break;
            case LoginOutcome.Delayed:
                audit.Refuse(context, name, Action, kind, "delayed");
                await Refusal.TooManyFailures
                    .WriteAsync(context, "Logins failed before this one, which was not looked at. Try again later.", result.RetryAfter).ConfigureAwait(false);
                break;
            case LoginOutcome.Busy:
                audit.Refuse(context, name, Action, kind, "busy");
                await Refusal.Busy.WriteAsync(context, "Too many logins wait to be checked. Try again.", result.RetryAfter).ConfigureAwait(false);
                break;
            default:
                var detail = credentials.Name is null
                    ? "The key is unknown or has expired, or its user is disabled."
                    : "The name or the password is wrong, or the user is disabled.";
                await RefuseAsync(context, name, kind, detail).ConfigureAwait(false);
                break;
        }
    }

    private Task RefuseAsync(HttpContext context, string name, string kind, string detail)
    {
        audit.Refuse(context, name, Action, kind, "failed");
        return Refusal.Unauthorized.WriteAsync(context, detail);
    }
}
