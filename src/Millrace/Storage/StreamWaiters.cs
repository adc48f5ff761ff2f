namespace Millrace.Storage;

/// <summary>
/// Those who wait for a partition to grow (law S4), for stores that do not build on <see cref="StreamPartitionBase"/>. Safe for concurrent use; a waiter is completed outside every
/// lock, on a thread of its own.
/// </summary>
public sealed class StreamWaiters
{
    private readonly Lock _gate = new();
    private readonly IndexedHeap<Waiter, Waiter.Position> _byOffset = new();
    private long _end;
    private Exception? _failure;

    // Read without the gate by whoever appends: a waiter enters its offset before it looks at the end again, so one of the two sees the other.
    private long _lowest = long.MaxValue;

    /// <summary>How many wait.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _byOffset.Count;
            }
        }
    }

    /// <summary>A wait until the end is beyond <paramref name="offset"/>.</summary>
    /// <param name="offset">The offset that must be readable.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="closing">Ends it as well, with an <see cref="ObjectDisposedException"/>: the opening of the partition through which it was begun is closed.</param>
    public ValueTask WaitAsync(long offset, CancellationToken cancellationToken, CancellationToken closing = default)
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

            waiter = new Waiter(this);
            _byOffset.Add(waiter, offset);
            Volatile.Write(ref _lowest, _byOffset.FirstKey);
            Interlocked.MemoryBarrier();
            if (Volatile.Read(ref _end) > offset)
            {
                RemoveLocked(waiter);
                return default;
            }
        }

        return AwaitAsync(waiter, cancellationToken, closing);
    }

    /// <summary>Notes that the partition ends at <paramref name="end"/> now, and wakes those who waited for less. Ends never go back.</summary>
    public void Advance(long end)
    {
        // Appends may report their ends in another order than the one in which they were made.
        var known = Volatile.Read(ref _end);
        while (known < end && Interlocked.CompareExchange(ref _end, end, known) is var seen && seen != known)
        {
            known = seen;
        }

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
            while (_byOffset.First is { } waiter)
            {
                RemoveLocked(waiter);
                waiters.Add(waiter);
            }
        }

        foreach (var waiter in waiters)
        {
            waiter.TrySetException(failure);
        }
    }

    private static async ValueTask AwaitAsync(Waiter waiter, CancellationToken cancellationToken, CancellationToken closing)
    {
        var cancelled = cancellationToken.UnsafeRegister(static (state, token) => ((Waiter)state!).Cancel(token), waiter);
        var closed = closing.UnsafeRegister(static state => ((Waiter)state!).Close(), waiter);
        try
        {
            await waiter.Task.ConfigureAwait(false);
        }
        finally
        {
            cancelled.Unregister();
            closed.Unregister();
        }
    }

    private void Wake(long end)
    {
        List<Waiter> woken = [];
        lock (_gate)
        {
            while (_byOffset.FirstKey < end)
            {
                var waiter = _byOffset.First!;
                RemoveLocked(waiter);
                woken.Add(waiter);
            }
        }

        foreach (var waiter in woken)
        {
            waiter.TrySetResult();
        }
    }

    private void Remove(Waiter waiter)
    {
        lock (_gate)
        {
            if (IndexedHeap<Waiter, Waiter.Position>.Contains(waiter))
            {
                RemoveLocked(waiter);
            }
        }
    }

    private void RemoveLocked(Waiter waiter)
    {
        _byOffset.Remove(waiter);
        Volatile.Write(ref _lowest, _byOffset.FirstKey);
    }

    private sealed class Waiter(StreamWaiters waiters) : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        private int _position = -1;

        public void Cancel(CancellationToken cancellationToken)
        {
            waiters.Remove(this);
            TrySetCanceled(cancellationToken);
        }

        public void Close()
        {
            waiters.Remove(this);
            TrySetException(new ObjectDisposedException(nameof(IStreamPartition), "The partition was closed while somebody waited for it to grow."));
        }

        internal readonly struct Position : IHeapPosition<Waiter>
        {
            public static ref int Of(Waiter item) => ref item._position;
        }
    }
}
