using Millrace.Bench.Stomp;

namespace Millrace.Bench;

/// <summary>A set of cases that are asked for together.</summary>
/// <param name="Name">What is written on the command line.</param>
/// <param name="Cases">Its cases, in the order in which they run.</param>
/// <param name="TakesTarget">Whether its cases can measure a server that runs already.</param>
internal sealed record BenchArea(string Name, IReadOnlyList<BenchCase> Cases, bool TakesTarget = false);

/// <summary>One thing that is measured.</summary>
/// <param name="Name">Its name; scripts rely on it.</param>
/// <param name="RunAsync">Measures once.</param>
internal sealed record BenchCase(string Name, Func<BenchContext, Task<IReadOnlyList<Measurement>>> RunAsync);

/// <summary>One figure of one case.</summary>
/// <param name="Metric">What was measured; rates are <c>per_s</c>.</param>
/// <param name="Value">The figure.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="Baseline">What <paramref name="Ratio"/> is measured against in the same run; null where there is none.</param>
/// <param name="Ratio">The figure over the baseline's.</param>
internal sealed record Measurement(string Metric, double Value, string Unit, string? Baseline = null, double? Ratio = null)
{
    /// <summary>A figure beside the baseline's own.</summary>
    public static Measurement Against(string metric, double value, string unit, string baseline, double baselineValue) =>
        new(metric, value, unit, baseline, value / baselineValue);
}

/// <summary>What a case is given to run with.</summary>
/// <param name="Folder">An empty folder on a real disk for this run; deleted after it.</param>
/// <param name="Target">A server that is measured instead of ours; null in areas that take none.</param>
/// <param name="Earlier">The figures of cases that have run before in this process, by case and metric: for ratios between cases.</param>
/// <param name="CancellationToken">Ends the run.</param>
internal sealed record BenchContext(
    string Folder, StompEndpoint? Target, IReadOnlyDictionary<(string Case, string Metric), double> Earlier, CancellationToken CancellationToken);
