using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Millrace.Server.Errors;
using Millrace.Server.Security;

namespace Millrace.Server.Metrics;

/// <summary><c>/metrics</c>: the node in numbers, in the Prometheus text format, for administrators.</summary>
internal static class MetricsEndpoint
{
    public static void Map(IEndpointRouteBuilder endpoints, AuditLog audit)
    {
        var metrics = endpoints.ServiceProvider.GetRequiredService<NodeMetrics>();
        var queues = endpoints.ServiceProvider.GetRequiredService<QueueCounts>();
        endpoints.MapGet("/metrics", context => WriteAsync(context, metrics, queues, audit));
    }

    private static async Task WriteAsync(HttpContext context, NodeMetrics metrics, QueueCounts queues, AuditLog audit)
    {
        if (!Caller.Of(context).IsAdministrator)
        {
            audit.Record(context, "GET metrics", "", AuditOutcome.Denied);
            await ProblemAnswer.WriteAsync(context, ProblemAnswer.Of(StatusCodes.Status403Forbidden, "The metrics of a node are for its administrators.")).ConfigureAwait(false);
            return;
        }

        var counts = await queues.ReadAsync(context.RequestAborted).ConfigureAwait(false);
        context.Response.ContentType = PrometheusWriter.ContentType;
        context.Response.Headers.CacheControl = "no-store";
        var writer = new PrometheusWriter(context.Response.BodyWriter);
        ProcessMetrics.WriteTo(writer);
        counts.WriteTo(writer);
        metrics.WriteTo(writer);
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted).ConfigureAwait(false);
    }
}
