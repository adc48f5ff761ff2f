using System.Numerics;

namespace Millrace.App.Bench;

/// <summary>
/// Counts times, of any number, in a fixed amount of memory: a time is known to less than 1.6 % of itself, the longest exactly. Not safe for concurrent use.
/// </summary>
internal sealed class LatencyHistogram
{
    // 64 steps to each doubling of the time: below 64 each value has a step of its own.
    private const int StepBits = 6;
    private const int Steps = 1 << StepBits;

    private readonly long[] _counts = new long[(64 - StepBits) * Steps];

    public long Count { get; private set; }

    /// <summary>The longest time.</summary>
    public long Max { get; private set; }

    public void Add(long time)
    {
        time = Math.Max(0, time);
        _counts[IndexOf(time)]++;
        Count++;
        Max = Math.Max(Max, time);
    }

    public void Add(LatencyHistogram other)
    {
        for (var i = 0; i < _counts.Length; i++)
        {
            _counts[i] += other._counts[i];
        }

        Count += other.Count;
        Max = Math.Max(Max, other.Max);
    }

    /// <summary>The time that so great a part of all does not exceed (nearest rank), rounded up to its step; 0 when there is none.</summary>
    public long At(double part)
    {
        var rank = (long)Math.Ceiling(part * Count);
        for (var i = 0; i < _counts.Length; i++)
        {
            rank -= _counts[i];
            if (rank <= 0 && Count > 0)
            {
                return Math.Min(Max, LastOf(i));
            }
        }

        return Max;
    }

    private static int IndexOf(long time)
    {
        var shift = Math.Max(0, BitOperations.Log2((ulong)time | 1) - StepBits);
        return (shift * Steps) + (int)(time >> shift);
    }

    private static long LastOf(int index)
    {
        var shift = Math.Max(0, (index / Steps) - 1);
        return ((index - ((long)shift * Steps) + 1) << shift) - 1;
    }
}
