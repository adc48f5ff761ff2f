using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Millrace.Server.Security;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Health;

/// <summary>
/// <c>/health/live</c>: the process answers. <c>/health/ready</c>: it takes requests. <c>/api/health</c>: each instance and STOMP, by a real round trip.
/// </summary>
internal static class HealthEndpoints
{
    /// <summary>Open to everybody, also on a server with users: supervisors and load balancers have no credentials.</summary>
    public const string LivePath = "/health/live";

    /// <summary>As <see cref="LivePath"/>.</summary>
    public const string ReadyPath = "/health/ready";

    private static readonly string[] Methods = [HttpMethods.Get, HttpMethods.Head];

    public static void Map(IEndpointRouteBuilder endpoints)
    {
        var health = endpoints.ServiceProvider.GetRequiredService<NodeHealth>();
        endpoints.MapMethods(LivePath, Methods, static context => WriteWordAsync(context, StatusCodes.Status200OK, "live"));
        endpoints.MapMethods(ReadyPath, Methods, context => health.FindReasonNotReady() is { } reason
            ? WriteWordAsync(context, StatusCodes.Status503ServiceUnavailable, reason)
            : WriteWordAsync(context, StatusCodes.Status200OK, "ready"));
        endpoints.MapMethods("/api/health", Methods, context => WriteChecksAsync(context, health));
    }

    private static Task WriteWordAsync(HttpContext context, int status, string word)
    {
        Prepare(context.Response, status, "text/plain; charset=utf-8");
        return context.Response.WriteAsync(word + "\n", context.RequestAborted);
    }

    private static async Task WriteChecksAsync(HttpContext context, NodeHealth health)
    {
        var summary = await health.CheckAsync(context.RequestAborted).ConfigureAwait(false);
        var isAdministrator = Caller.Of(context).IsAdministrator;
        Prepare(
            context.Response,
            summary.Status == HealthStatus.Unhealthy ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status200OK,
            "application/json");
        using (var json = new Utf8JsonWriter(context.Response.BodyWriter))
        {
            json.WriteStartObject();
            json.WriteString("status", NameOf(summary.Status));
            json.WriteStartObject("checks");
            foreach (var (instance, check, overdue) in summary.Checks)
            {
                json.WriteStartObject(instance);
                WriteMembers(json, check, overdue, isAdministrator);
                json.WriteEndObject();
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        context.Response.BodyWriter.Write(WireJson.LineEnd);
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted).ConfigureAwait(false);
    }

    // What failed, and the details of an engine, may name hosts and files: others than administrators learn only what kind of failure it is.
    private static void WriteMembers(Utf8JsonWriter json, HealthCheck check, TimeSpan? overdue, bool isAdministrator)
    {
        json.WriteString("status", NameOf(!check.IsHealthy ? HealthStatus.Unhealthy : overdue is null && check.Warning is null ? HealthStatus.Healthy : HealthStatus.Degraded));
        json.WriteNumber("durationMs", Math.Round(check.Duration.TotalMilliseconds, 3));
        json.WriteString("error", isAdministrator ? check.Error : check.Failure);
        if (check.Warning is not null)
        {
            json.WriteString("warning", isAdministrator ? check.Warning : HealthCheck.Warned);
        }

        if (overdue is { } late)
        {
            json.WriteNumber("schedulesOverdueMs", Math.Round(late.TotalMilliseconds));
        }

        if (isAdministrator && check.Details.Count > 0)
        {
            json.WriteStartObject("details");
            foreach (var (name, value) in check.Details)
            {
                json.WriteString(name, value);
            }

            json.WriteEndObject();
        }
    }

    private static void Prepare(HttpResponse response, int status, string contentType)
    {
        response.StatusCode = status;
        response.ContentType = contentType;
        response.Headers.CacheControl = "no-store";
    }

    private static string NameOf(HealthStatus status) => status switch
    {
        HealthStatus.Healthy => "healthy",
        HealthStatus.Degraded => "degraded",
        _ => "unhealthy",
    };
}
