namespace Millrace.Scheduling.Limits;

/// <summary>
/// How many handlers of a worker may wait for limits, all limits together, beside the first one of each: others are to go on with jobs that need not wait. Safe for concurrent use.
/// </summary>
internal sealed class LimitSeats(int concurrency)
{
    private int _left = Math.Max(0, (concurrency / 2) - 1);

    /// <summary>How many there are.</summary>
    public int Count { get; } = Math.Max(0, (concurrency / 2) - 1);

    /// <summary>How many nobody has; a moment's picture.</summary>
    public int Left => Math.Max(0, Volatile.Read(ref _left));

    public bool TryTake()
    {
        if (Interlocked.Decrement(ref _left) >= 0)
        {
            return true;
        }

        Interlocked.Increment(ref _left);
        return false;
    }

    public void Return() => Interlocked.Increment(ref _left);
}
