namespace Millrace.App.Bench;

/// <summary>
/// What was sent and what came: every message has a number, so that in the end each one can be told to have come once, never, or more often. Safe for concurrent use.
/// </summary>
internal sealed class BenchLedger(BenchPlan plan, TimeProvider timeProvider) : IDisposable
{
    // A store that refuses so many sends one after the other is not one that can be measured.
    private const int MaxFailuresInARow = 100;

    private readonly NumberSet _seen = new();
    private readonly SemaphoreSlim _window = new(plan.Window);
    private readonly Lock _gate = new();
    private readonly List<(long First, int Count)> _failed = [];
    private long _acknowledged;
    private long _firsts;
    private long _received;
    private long _settled;
    private long _duplicates;
    private long _errors;
    private long _uncertain;
    private long _lastSettledAt;
    private long _measuredFrom = long.MaxValue;
    private int _failuresInARow;

    /// <summary>The number of the first message that counts for the latencies.</summary>
    public long MeasuredFrom
    {
        get => Volatile.Read(ref _measuredFrom);
        set => Volatile.Write(ref _measuredFrom, value);
    }

    /// <summary>Messages whose sending was acknowledged.</summary>
    public long Acknowledged => Volatile.Read(ref _acknowledged);

    /// <summary>Deliveries of messages that had come before.</summary>
    public long Duplicates => Volatile.Read(ref _duplicates);

    /// <summary>Sends and settlements that failed for a while.</summary>
    public long Errors => Volatile.Read(ref _errors);

    /// <summary>Messages of which nobody knows whether they were stored: the answer was lost.</summary>
    public long Uncertain => Volatile.Read(ref _uncertain);

    /// <summary>When the last delivery was settled.</summary>
    public long LastSettledAt => Volatile.Read(ref _lastSettledAt);

    /// <summary>Changes with everything that comes and is settled.</summary>
    public long Progress => Volatile.Read(ref _received) + Volatile.Read(ref _settled);

    /// <summary>Whether everything acknowledged has come, and everything that came is settled. Exact when nobody sends.</summary>
    public bool IsComplete => Volatile.Read(ref _received) == Volatile.Read(ref _settled) && CountMissing() == 0;

    /// <summary>Waits until there is room for a batch among those that have not come yet.</summary>
    public Task EnterWindowAsync(CancellationToken cancellationToken) => _window.WaitAsync(cancellationToken);

    /// <summary>A batch is stored.</summary>
    public void Acknowledge(int count)
    {
        Interlocked.Add(ref _acknowledged, count);
        Volatile.Write(ref _failuresInARow, 0);
    }

    /// <summary>A batch was refused, or its answer lost. It is not sent again: it could come twice through no fault of the store.</summary>
    /// <returns>Whether it makes sense to go on.</returns>
    public bool Fail(long first, int count, MillraceException exception)
    {
        Interlocked.Increment(ref _errors);
        if (exception is BackendUnavailableException { MayHaveBeenApplied: true })
        {
            Interlocked.Add(ref _uncertain, count);
        }

        lock (_gate)
        {
            _failed.Add((first, count));
        }

        _window.Release();
        return Interlocked.Increment(ref _failuresInARow) < MaxFailuresInARow;
    }

    public void CountError() => Interlocked.Increment(ref _errors);

    /// <summary>A message has come.</summary>
    /// <returns>Whether it is the first time.</returns>
    public bool Receive(long number)
    {
        Interlocked.Increment(ref _received);
        if (!_seen.Add(number))
        {
            Interlocked.Increment(ref _duplicates);
            return false;
        }

        if (Interlocked.Increment(ref _firsts) % plan.Batch == 0)
        {
            _window.Release();
        }

        return true;
    }

    /// <summary>Deliveries have been settled.</summary>
    public void Settle(int count)
    {
        Volatile.Write(ref _lastSettledAt, timeProvider.GetTimestamp());
        Interlocked.Add(ref _settled, count);
    }

    /// <summary>How many acknowledged messages have not come. Exact when nobody sends.</summary>
    public long CountMissing()
    {
        // What came of batches that were never acknowledged stands in for nothing that was.
        var uncounted = 0;
        lock (_gate)
        {
            foreach (var (first, count) in _failed)
            {
                for (var number = first; number < first + count; number++)
                {
                    uncounted += _seen.Contains(number) ? 1 : 0;
                }
            }
        }

        return Math.Max(0, Acknowledged - (Volatile.Read(ref _firsts) - uncounted));
    }

    public void Dispose() => _window.Dispose();
}
