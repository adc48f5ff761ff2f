namespace Millrace.Diagnostics;

/// <summary>
/// The names under which Millrace can be observed. Spans and metrics follow OpenTelemetry's semantic conventions for messaging;
/// the ones that those do not know begin with <c>millrace.</c>. Nothing is measured while nobody listens.
/// </summary>
public static class MillraceDiagnostics
{
    /// <summary>The name of the <see cref="System.Diagnostics.ActivitySource"/>, for <c>AddSource</c>: spans <c>send</c>, <c>publish</c>, <c>process</c> and <c>settle</c>, followed by the destination's name.</summary>
    public const string ActivitySourceName = "Millrace";

    /// <summary>
    /// The name of the <see cref="System.Diagnostics.Metrics.Meter"/>, for <c>AddMeter</c>: <c>messaging.client.sent.messages</c>, <c>messaging.client.consumed.messages</c>,
    /// <c>messaging.client.operation.duration</c>, <c>messaging.process.duration</c>, <c>millrace.retries</c>, <c>millrace.dead_letters</c>,
    /// <c>millrace.job.runs</c>, <c>millrace.job.duration</c>, <c>millrace.job.lateness</c>.
    /// </summary>
    public const string MeterName = "Millrace";
}
