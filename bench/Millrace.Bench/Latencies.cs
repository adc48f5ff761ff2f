using System.Diagnostics;

namespace Millrace.Bench;

/// <summary>Collects times and tells their percentiles. One writer at a time.</summary>
internal sealed class Latencies(int capacity)
{
    private readonly long[] _timestamps = new long[capacity];
    private int _count;

    public int Count => Volatile.Read(ref _count);

    public void Add(long elapsedTimestamps)
    {
        _timestamps[_count] = elapsedTimestamps;
        Volatile.Write(ref _count, _count + 1);
    }

    public IReadOnlyList<Measurement> ToMeasurements()
    {
        var sorted = _timestamps.AsSpan(0, _count).ToArray();
        Array.Sort(sorted);
        return
        [
            new Measurement("p50_us", At(sorted, 0.50), "us"),
            new Measurement("p99_us", At(sorted, 0.99), "us"),
            new Measurement("p999_us", At(sorted, 0.999), "us"),
        ];
    }

    // Nearest rank: the smallest time that so great a part of all does not exceed.
    private static double At(long[] sorted, double part) =>
        sorted[Math.Max(0, (int)Math.Ceiling(part * sorted.Length) - 1)] * 1e6 / Stopwatch.Frequency;
}
