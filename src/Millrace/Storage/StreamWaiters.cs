namespace Millrace.Storage;

/// <summary>
/// Those who wait for a partition to grow (law S4). Safe for concurrent use; a waiter is completed outside every lock, on a thread of its own.
/// </summary>
internal sealed class StreamWaiters
{
    private readonly Lock _gate = new();
    private readonly PriorityQueue<Waiter, long> _byOffset = new();
    private long _end;
    private Exception? _failure;

    // Read without the gate by whoever appends: a waiter enters its offset before it looks at the end again, so one of the two sees the other.
    private long _lowest = long.MaxValue;

    /// <summary>A wait until the end is beyond <paramref name="offset"/>.</summary>
    public ValueTask WaitAsync(long offset, CancellationToken cancellationToken)
    {
        Waiter waiter;
        lock (_gate)
        {
            if (_failure is not null)
            {
                return ValueTask.FromException(_failure);
            }

            if (_end > offset)
            {
                return default;
            }

            if (cancellationToken.IsCancellationRequested)
            {
                return ValueTask.FromCanceled(cancellationToken);
            }

            waiter = new Waiter();
            _byOffset.Enqueue(waiter, offset);
            Volatile.Write(ref _lowest, Math.Min(_lowest, offset));
            Interlocked.MemoryBarrier();
            if (Volatile.Read(ref _end) > offset)
            {
                waiter.TrySetResult();
            }
        }

        return waiter.Task.IsCompleted ? default : new ValueTask(waiter.Task.WaitAsync(cancellationToken));
    }

    /// <summary>Notes that the partition ends at <paramref name="end"/> now, and wakes those who waited for less. Ends never go back.</summary>
    public void Advance(long end)
    {
        Volatile.Write(ref _end, end);
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _lowest) < end)
        {
            Wake(end);
        }
    }

    /// <summary>Ends every wait, also later ones, with a failure.</summary>
    public void Fail(Exception failure)
    {
        List<Waiter> waiters = [];
        lock (_gate)
        {
            _failure ??= failure;
            while (_byOffset.TryDequeue(out var waiter, out _))
            {
                waiters.Add(waiter);
            }
        }

        foreach (var waiter in waiters)
        {
            waiter.TrySetException(failure);
        }
    }

    private void Wake(long end)
    {
        List<Waiter> woken = [];
        lock (_gate)
        {
            while (_byOffset.TryPeek(out var waiter, out var offset) && offset < end)
            {
                _byOffset.Dequeue();
                woken.Add(waiter);
            }

            Volatile.Write(ref _lowest, _byOffset.TryPeek(out _, out var lowest) ? lowest : long.MaxValue);
        }

        foreach (var waiter in woken)
        {
            waiter.TrySetResult();
        }
    }

    private sealed class Waiter() : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
}
