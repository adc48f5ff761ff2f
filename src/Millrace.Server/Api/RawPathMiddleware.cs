using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Millrace.Server.Api;

/// <summary>
/// Routes by the path as it was sent, still percent-encoded. The server's decoded path cannot tell <c>a%2Fb</c> (a name with a slash) from <c>a%252Fb</c>, and resolves
/// <c>..</c>, which is a valid name too; so names are taken from the raw segments, and decoded once.
/// </summary>
internal sealed class RawPathMiddleware(RequestDelegate next)
{
    public Task InvokeAsync(HttpContext context)
    {
        var target = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget.AsSpan();
        var scheme = target.IndexOf("://", StringComparison.Ordinal);
        if (scheme > 0 && target.IndexOfAny('/', '?') == scheme + 1)
        {
            var path = target[(scheme + 3)..].IndexOf('/');
            target = path < 0 ? "/" : target[(scheme + 3 + path)..];
        }

        // A '#' does not belong into a target; cutting there would mean another name than the one that was written.
        var end = target.IndexOf('?');
        var raw = end < 0 ? target : target[..end];
        if (raw.StartsWith("/"))
        {
            context.Request.Path = new PathString(raw.ToString());
        }

        return next(context);
    }
}
