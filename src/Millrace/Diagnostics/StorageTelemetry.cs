using System.Diagnostics.Metrics;

namespace Millrace.Diagnostics;

/// <summary>What stores on files measure. One count for the process: a meter has no instances.</summary>
internal static class StorageTelemetry
{
    private static readonly Meter Meter = new(MillraceDiagnostics.MeterName);
    private static long _damages;

    // Observed, not counted on the way: damage is found when a store is opened, before anybody listens.
    private static readonly ObservableCounter<long> Counter = Meter.CreateObservableCounter(
        "millrace.storage.damages", static () => Damages, "{damage}", "Places in files of stores that could not be read as they were written.");

    /// <summary>Whether it is measured; asking for it makes sure that it is.</summary>
    public static bool IsMeasured => Counter.Enabled;

    /// <summary>How many were found.</summary>
    public static long Damages => Interlocked.Read(ref _damages);

    public static void CountDamage() => Interlocked.Increment(ref _damages);
}
