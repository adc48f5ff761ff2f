using System.Diagnostics;
using System.Diagnostics.Metrics;
using Millrace.Scheduling.History;

namespace Millrace.Diagnostics;

/// <summary>The metrics of runs. Does nothing while nobody listens. Safe for concurrent use.</summary>
internal static class RunTelemetry
{
    private static readonly Meter Meter = new(MillraceDiagnostics.MeterName);

    private static readonly InstrumentAdvice<double> Boundaries = new()
    {
        HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600],
    };

    private static readonly Counter<long> Runs = Meter.CreateCounter<long>("millrace.job.runs", "{run}", "Runs of jobs, messages that schedules sent, and skipped occurrences, by how they ended.");

    private static readonly Histogram<double> Duration = Meter.CreateHistogram("millrace.job.duration", "s", "How long an attempt at a job took.", advice: Boundaries);

    private static readonly Histogram<double> Lateness = Meter.CreateHistogram(
        "millrace.job.lateness", "s", "How long after it was due the first attempt at a job started.", advice: Boundaries);

    private static readonly string[] Outcomes = ["succeeded", "retried", "failed", "cancelled", "skipped", "sent"];

    /// <summary>Counts a run that has ended, a message that was sent, or occurrences that were skipped.</summary>
    public static void Ended(in RunEntry run)
    {
        if (!Runs.Enabled && !Duration.Enabled && !Lateness.Enabled)
        {
            return;
        }

        var tags = new TagList { { "millrace.job", run.Job ?? "" }, { "messaging.destination.name", run.Queue }, { "millrace.outcome", Outcomes[(int)run.Outcome] } };
        Runs.Add(run.More + 1, tags);
        if (run.Duration is { } duration)
        {
            Duration.Record(duration.TotalSeconds, tags);
        }

        if (run is { StartedAt: { } startedAt, Attempt: 1 })
        {
            Lateness.Record(Math.Max(0, (startedAt - run.ScheduledAt).TotalSeconds), tags);
        }
    }
}
