using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Millrace.Diagnostics;
using Millrace.Scheduling.Tests.Jobs;
using Xunit;

namespace Millrace.Scheduling.Tests.History;

/// <summary>What metrics say of runs.</summary>
public sealed class RunMetricsTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Runs_AreCountedByOutcome_WithTheirDurationAndLateness()
    {
        var seen = new ConcurrentQueue<(string Instrument, string Outcome)>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter.Name == MillraceDiagnostics.MeterName && instrument.Name.StartsWith("millrace.job.", StringComparison.Ordinal))
            {
                self.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, _, tags, _) => Note(instrument, tags));
        listener.SetMeasurementEventCallback<double>((instrument, _, tags, _) => Note(instrument, tags));
        listener.Start();
        await using var site = await JobSite.OpenAsync(configure: options => options.Jobs.Add<Measured>(
            (job, _, _) => job.Fails ? throw new InvalidOperationException("no") : Task.CompletedTask, options => options.Retry = JobRetry.None));
        await using var worker = await site.StartAsync();

        await site.Jobs.EnqueueBatchAsync([new Measured(false), new Measured(true)], cancellationToken: Token);
        await site.WaitForRunsAsync(2);

        Assert.Equal(
            ["millrace.job.duration failed", "millrace.job.duration succeeded", "millrace.job.lateness failed", "millrace.job.lateness succeeded", "millrace.job.runs failed", "millrace.job.runs succeeded"],
            seen.Select(measured => $"{measured.Instrument} {measured.Outcome}").Order());

        void Note(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            // Other tests run meanwhile.
            var named = tags.ToArray().ToDictionary(tag => tag.Key, tag => tag.Value?.ToString());
            if (named["millrace.job"] == "measured")
            {
                seen.Enqueue((instrument.Name, named["millrace.outcome"]!));
            }
        }
    }

    [Fact]
    public async Task SkippedOccurrences_AreAllCounted_AlsoThoseThatShareARecord()
    {
        var counted = 0L;
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter.Name == MillraceDiagnostics.MeterName && instrument.Name == "millrace.job.runs")
            {
                self.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, value, tags, _) =>
        {
            if (tags.ToArray().Contains(new("messaging.destination.name", "of-many-skips")))
            {
                Interlocked.Add(ref counted, value);
            }
        });
        listener.Start();
        await using var site = await JobSite.OpenAsync();

        await site.Jobs.History.AppendAsync(new RunRecord
        {
            Run = "s@1@1", Queue = "of-many-skips", Outcome = RunOutcome.Skipped, ScheduledAt = default, FinishedAt = default, Node = "n", Count = 1261,
        });

        Assert.Equal(1261, Interlocked.Read(ref counted));
    }

    public sealed record Measured(bool Fails);
}
