using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Millrace.Server.Errors;
using Millrace.Server.Hosting;
using Millrace.Server.Security;
using Millrace.Stomp;

namespace Millrace.Server.Metrics;

/// <summary><c>/metrics</c>: the node in numbers, in the Prometheus text format, for administrators.</summary>
internal static class MetricsEndpoint
{
    /// <summary>Maps it.</summary>
    /// <param name="endpoints">Where.</param>
    /// <param name="audit">Where refusals are recorded.</param>
    /// <param name="broker">The broker of STOMP; null where it is not served.</param>
    /// <param name="maxDestinations">The most destinations of STOMP that are told.</param>
    public static void Map(IEndpointRouteBuilder endpoints, AuditLog audit, StompBroker? broker, int maxDestinations)
    {
        var metrics = endpoints.ServiceProvider.GetRequiredService<NodeMetrics>();
        var queues = endpoints.ServiceProvider.GetRequiredService<QueueCounts>();
        var streams = endpoints.ServiceProvider.GetRequiredService<StreamCounts>();
        var schedulers = endpoints.ServiceProvider.GetRequiredService<NodeSchedulers>();
        var limit = endpoints.ServiceProvider.GetRequiredService<NodeListeners>().Limit;
        endpoints.MapGet("/metrics", context => AnswerAsync(context, audit, async writer =>
        {
            var counts = await queues.ReadAsync(context.RequestAborted).ConfigureAwait(false);
            var ofStreams = await streams.ReadAsync(context.RequestAborted).ConfigureAwait(false);
            ProcessMetrics.WriteTo(writer);
            counts.WriteTo(writer);
            ofStreams.WriteTo(writer);
            ScheduleMetrics.WriteTo(writer, schedulers);
            writer.Single("millrace_http_connections_refused_total", "counter", "HTTP connections that were closed because there were too many.", limit.Refused);
            if (broker is not null)
            {
                StompMetrics.WriteTo(writer, broker, maxDestinations);
            }

            metrics.WriteTo(writer);
        }));
    }

    private static async Task AnswerAsync(HttpContext context, AuditLog audit, Func<PrometheusWriter, Task> write)
    {
        if (!Caller.Of(context).IsAdministrator)
        {
            audit.Record(context, "GET metrics", "", AuditOutcome.Denied);
            await ProblemAnswer.WriteAsync(context, ProblemAnswer.Of(StatusCodes.Status403Forbidden, "The metrics of a node are for its administrators.")).ConfigureAwait(false);
            return;
        }

        context.Response.ContentType = PrometheusWriter.ContentType;
        context.Response.Headers.CacheControl = "no-store";
        await write(new PrometheusWriter(context.Response.BodyWriter)).ConfigureAwait(false);
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted).ConfigureAwait(false);
    }
}
