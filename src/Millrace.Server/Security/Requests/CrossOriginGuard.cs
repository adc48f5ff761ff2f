using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Millrace.Server.Security.Requests;

/// <summary>
/// What pages in browsers may do. A page of a foreign origin can make a browser send a request, and with it the password that the browser keeps; it cannot forge the headers
/// that tell where the request comes from. So requests that change something are refused unless they come from the server's own pages, from an origin that is allowed, or
/// from no page. Answers to other requests are hidden from foreign pages by the browser itself, as long as no header allows it to show them.
/// </summary>
internal sealed class CrossOriginGuard(RequestDelegate next, SecurityOptions options, AuditLog audit)
{
    private const string AllowedMethods = "GET, HEAD, POST, PUT, PATCH, DELETE";
    private const string OwnHeaders = "Millrace-";
    private const string PreflightSeconds = "600";

    private static readonly HashSet<string> RequestHeaders = new(StringComparer.OrdinalIgnoreCase)
    {
        HeaderNames.Accept, HeaderNames.Authorization, HeaderNames.ContentType, HeaderNames.IfMatch, HeaderNames.IfNoneMatch, "Last-Event-ID", HeaderNames.TraceParent,
        HeaderNames.TraceState,
    };

    private static readonly string[] AnswerHeaders = [HeaderNames.ETag, HeaderNames.Location, HeaderNames.RetryAfter, HeaderNames.WWWAuthenticate];

    private readonly HashSet<string> _origins = new(options.CorsOrigins, StringComparer.Ordinal);
    private readonly bool _isForAll = options.CorsOrigins.Contains("*");

    public Task InvokeAsync(HttpContext context)
    {
        var request = context.Request;
        var origin = request.Headers.Origin.ToString();
        if (_origins.Count > 0)
        {
            context.Response.Headers.Append(HeaderNames.Vary, HeaderNames.Origin);
        }

        if (origin.Length > 0 && !Origin.IsSame(origin, request.Scheme, request.Host.Value ?? ""))
        {
            return _isForAll || _origins.Contains(origin) ? AnswerAllowedAsync(context, origin) : AnswerForeignAsync(context, origin);
        }

        // Older browsers say nothing; newer ones say it also where they leave the origin out.
        var site = request.Headers["Sec-Fetch-Site"].ToString();
        return origin.Length == 0 && site is "cross-site" or "same-site" && IsChange(request) ? RefuseAsync(context, site) : next(context);
    }

    private Task AnswerForeignAsync(HttpContext context, string origin) =>
        IsChange(context.Request) || IsPreflight(context.Request) ? RefuseAsync(context, origin) : next(context);

    private Task AnswerAllowedAsync(HttpContext context, string origin)
    {
        var request = context.Request;
        var headers = context.Response.Headers;
        var isNamed = _origins.Contains(origin);

        // With every origin allowed, only a key proves intent: a password may be one that the browser sends by itself.
        if (!isNamed && IsChange(request) && !request.Headers.Authorization.ToString().StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
        {
            return RefuseAsync(context, origin);
        }

        headers.AccessControlAllowOrigin = isNamed ? origin : "*";
        if (isNamed && options.CorsAllowCredentials)
        {
            headers.AccessControlAllowCredentials = "true";
        }

        if (!IsPreflight(request))
        {
            context.Response.OnStarting(ExposeHeadersAsync, context);
            return next(context);
        }

        headers.AccessControlAllowMethods = AllowedMethods;
        headers.AccessControlMaxAge = PreflightSeconds;
        var allowed = Requested(request).Where(name => RequestHeaders.Contains(name) || name.StartsWith(OwnHeaders, StringComparison.OrdinalIgnoreCase)).ToArray();
        if (allowed.Length > 0)
        {
            headers.AccessControlAllowHeaders = string.Join(", ", allowed);
        }

        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    private static string[] Requested(HttpRequest request) =>
        request.Headers.AccessControlRequestHeaders.ToString().Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private Task RefuseAsync(HttpContext context, string from)
    {
        audit.Refuse(context, "", "cross-origin", from, "not allowed");
        return Refusal.CrossOrigin.WriteAsync(
            context, "The request comes from a page of another origin. Allow the origin on the server if its pages are to use it.");
    }

    private static Task ExposeHeadersAsync(object state)
    {
        var headers = ((HttpContext)state).Response.Headers;
        var own = headers.Keys.Where(name => name.StartsWith(OwnHeaders, StringComparison.OrdinalIgnoreCase));
        headers.AccessControlExposeHeaders = new StringValues(string.Join(", ", AnswerHeaders.Concat(own)));
        return Task.CompletedTask;
    }

    private static bool IsPreflight(HttpRequest request) =>
        HttpMethods.IsOptions(request.Method) && request.Headers.ContainsKey(HeaderNames.AccessControlRequestMethod);

    // Browsers open WebSockets to anywhere, and show pages what comes.
    private static bool IsChange(HttpRequest request) =>
        !(HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method) || HttpMethods.IsOptions(request.Method))
        || request.Headers.Upgrade.ToString().Contains("websocket", StringComparison.OrdinalIgnoreCase);
}
