using System.Globalization;

namespace Millrace.Bench;

/// <summary>Runs cases and writes their medians.</summary>
internal static class BenchRunner
{
    public static async Task RunAsync(BenchArguments arguments, TextWriter output, TextWriter progress, CancellationToken cancellationToken)
    {
        var report = Report.Create(arguments.Format, arguments.Area.Name, output);
        report.Begin(arguments.Runs);
        var earlier = new Dictionary<(string, string), double>();
        foreach (var known in arguments.Cases)
        {
            var runs = new List<IReadOnlyList<Measurement>>();
            for (var run = 1; run <= arguments.Runs; run++)
            {
                progress.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{known.Name}: run {run} of {arguments.Runs}"));
                runs.Add(await RunOnceAsync(known, arguments, earlier, cancellationToken));
            }

            var medians = MediansOf(runs);
            foreach (var median in medians)
            {
                earlier[(known.Name, median.Metric)] = median.Value;
            }

            report.Add(known.Name, medians);
        }

        report.End();
    }

    private static async Task<IReadOnlyList<Measurement>> RunOnceAsync(
        BenchCase known, BenchArguments arguments, Dictionary<(string, string), double> earlier, CancellationToken cancellationToken)
    {
        var own = Directory.CreateDirectory(Path.Combine(arguments.Folder, $"millrace-bench-{Environment.ProcessId}-{known.Name}"));
        try
        {
            Memory.Settle();
            Memory.ResetPeak();
            var measured = await known.RunAsync(new BenchContext(own.FullName, arguments.Target, earlier, cancellationToken));
            return [.. measured, new Measurement("peak_rss_mb", Memory.PeakMegabytes(), "MB")];
        }
        finally
        {
            own.Delete(recursive: true);
        }
    }

    private static Measurement[] MediansOf(List<IReadOnlyList<Measurement>> runs) =>
        [.. runs[0].Select((first, i) => first with
        {
            Value = MedianOf(runs.Select(run => run[i].Value)),
            Ratio = first.Ratio is null ? null : MedianOf(runs.Select(run => run[i].Ratio!.Value)),
        })];

    private static double MedianOf(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }
}
