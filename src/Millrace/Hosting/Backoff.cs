namespace Millrace.Hosting;

/// <summary>
/// Pauses between repeats of something that failed: doubling from a first one to a longest one, the upper half of each random, so that many
/// processes that lost one server do not come back to it in step. Not safe for concurrent use.
/// </summary>
internal sealed class Backoff(TimeSpan first, TimeSpan longest, Random? random = null)
{
    private int _failures;

    /// <summary>The pause after one more failure.</summary>
    public TimeSpan Next()
    {
        // 2^30 times any first pause is beyond every longest one; more would overflow.
        var full = Math.Min(first.TotalMilliseconds * (1L << Math.Min(_failures, 30)), longest.TotalMilliseconds);
        _failures++;
        return TimeSpan.FromMilliseconds(full * (0.5 + ((random ?? Random.Shared).NextDouble() / 2)));
    }

    /// <summary>How many failures there were since the last success.</summary>
    public int Failures => _failures;

    /// <summary>It worked again.</summary>
    public void Reset() => _failures = 0;
}
