using Microsoft.AspNetCore.Http;

namespace Millrace.Server.Security.Requests;

/// <summary>Headers that keep browsers from doing more with an answer than show it. A handler that serves pages or files sets its own over them.</summary>
internal sealed class SecurityHeaders(RequestDelegate next)
{
    public Task InvokeAsync(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers.CacheControl = "no-store";
        headers.ContentSecurityPolicy = "default-src 'none'; frame-ancestors 'none'";
        return next(context);
    }
}
