using Microsoft.AspNetCore.Http;

namespace Millrace.Server.Security.Requests;

/// <summary>
/// Refuses requests by names that are not this machine's, on a server without users: a page whose own name was made to point to 127.0.0.1 would otherwise be of the
/// server's origin.
/// </summary>
internal sealed class HostGuard(RequestDelegate next, SecurityOptions options, AuditLog audit)
{
    private readonly HashSet<string> _allowed = new(options.AllowedHosts.Select(host => host.Trim('[', ']')), StringComparer.OrdinalIgnoreCase);

    public Task InvokeAsync(HttpContext context)
    {
        var host = context.Request.Host.Host;

        // No name leads to a socket in the file system, which has no address; and a browser always says the name.
        if (context.Connection.LocalIpAddress is null || host.Length == 0 || LoopbackRule.IsLoopbackHost(host) || _allowed.Contains(host.Trim('[', ']')))
        {
            return next(context);
        }

        audit.Refuse(context, "", "host", host, "not allowed");
        return Refusal.HostNotAllowed.WriteAsync(
            context, "A server without users answers to localhost and loopback addresses only. Call it by one of them, or allow the name on the server.");
    }
}
