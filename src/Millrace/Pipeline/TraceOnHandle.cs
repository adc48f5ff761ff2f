using Millrace.Diagnostics;

namespace Millrace.Pipeline;

/// <summary>Measures one attempt, as a part of the trace that its sender began.</summary>
internal sealed class TraceOnHandle(MillraceTelemetry telemetry) : IHandleMiddleware
{
    public Task InvokeAsync(MessageContext context, HandleDelegate next, CancellationToken cancellationToken) =>
        MillraceTelemetry.ObservesHandling ? TraceAsync(context, next, cancellationToken) : next(context, cancellationToken);

    private async Task TraceAsync(MessageContext context, HandleDelegate next, CancellationToken cancellationToken)
    {
        using var activity = telemetry.StartProcess(context);
        var startedAt = telemetry.Now();
        try
        {
            await next(context, cancellationToken).ConfigureAwait(false);
            telemetry.EndProcess(context, activity, startedAt, error: null);
        }
        catch (Exception exception)
        {
            telemetry.EndProcess(context, activity, startedAt, exception);
            throw;
        }
    }
}
