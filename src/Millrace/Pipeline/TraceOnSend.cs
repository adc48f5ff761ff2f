using System.Diagnostics;
using Millrace.Diagnostics;

namespace Millrace.Pipeline;

/// <summary>Measures the storing of a send, and puts the trace into the headers, so that its handling continues it.</summary>
internal sealed class TraceOnSend(MillraceTelemetry telemetry) : ISendMiddleware
{
    public Task InvokeAsync(SendContext context, SendDelegate next, CancellationToken cancellationToken) =>
        MillraceTelemetry.ObservesSending ? TraceAsync(context, next, cancellationToken) : next(context, cancellationToken);

    private async Task TraceAsync(SendContext context, SendDelegate next, CancellationToken cancellationToken)
    {
        var count = context.Messages.Count(message => !message.IsSuppressed);
        if (count == 0)
        {
            await next(context, cancellationToken).ConfigureAwait(false);
            return;
        }

        using var activity = telemetry.StartSend(context, count);
        PassOn(activity ?? Activity.Current, context);
        var startedAt = telemetry.Now();
        try
        {
            await next(context, cancellationToken).ConfigureAwait(false);
            telemetry.EndSend(context, activity, count, startedAt, error: null);
        }
        catch (Exception exception)
        {
            telemetry.EndSend(context, activity, count, startedAt, exception);
            throw;
        }
    }

    private static void PassOn(Activity? activity, SendContext context)
    {
        if (activity is not { IdFormat: ActivityIdFormat.W3C, Id: { } traceParent })
        {
            return;
        }

        foreach (var message in context.Messages)
        {
            // A sender that relays a message may have set the trace of its origin.
            if (!message.Headers.ContainsKey(MillraceTelemetry.TraceParentHeader))
            {
                message.Headers = message.Headers.With(MillraceTelemetry.TraceParentHeader, traceParent);
                if (activity.TraceStateString is { Length: > 0 } traceState)
                {
                    message.Headers = message.Headers.With(MillraceTelemetry.TraceStateHeader, traceState);
                }
            }
        }
    }
}
