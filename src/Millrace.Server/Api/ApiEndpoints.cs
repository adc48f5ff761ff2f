using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Millrace.Server.Api;

/// <summary>The table of the HTTP API.</summary>
internal static class ApiEndpoints
{
    /// <summary>Maps every endpoint of every instance.</summary>
    public static void Map(IEndpointRouteBuilder endpoints, MillraceServerOptions options)
    {
        endpoints.MapGet("/api/v1", (HttpContext context) => context.Response.WriteAsync(options.Limits.ToString()));
    }
}
