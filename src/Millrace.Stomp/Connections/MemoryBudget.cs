namespace Millrace.Stomp.Connections;

/// <summary>Bytes that all connections share. Safe for concurrent use.</summary>
internal sealed class MemoryBudget(long limit)
{
    private readonly Lock _gate = new();
    private readonly LinkedList<Waiter> _waiters = [];
    private long _used;

    /// <summary>Bytes that are in use.</summary>
    public long Used
    {
        get
        {
            lock (_gate)
            {
                return _used;
            }
        }
    }

    /// <summary>How many wait for some.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate)
            {
                return _waiters.Count;
            }
        }
    }

    /// <summary>The most that may be in use.</summary>
    public long Limit => limit;

    /// <summary>Whether more than half of it is in use, so that what can wait should.</summary>
    public bool IsTight => Used > limit / 2;

    /// <summary>Takes bytes if there are as many and nobody waits for some.</summary>
    public bool TryTake(long bytes)
    {
        lock (_gate)
        {
            if (_waiters.Count > 0 || _used + bytes > limit)
            {
                return false;
            }

            _used += bytes;
            return true;
        }
    }

    /// <summary>Takes bytes when there are as many; whoever has waited longest comes first.</summary>
    /// <param name="bytes">How many; no more than <see cref="Limit"/>.</param>
    /// <param name="cancellationToken">Ends the wait; nothing is taken then.</param>
    public async ValueTask TakeAsync(long bytes, CancellationToken cancellationToken)
    {
        Waiter waiter;
        lock (_gate)
        {
            if (_waiters.Count == 0 && _used + bytes <= limit)
            {
                _used += bytes;
                return;
            }

            waiter = new Waiter(bytes);
            waiter.Node = _waiters.AddLast(waiter);
        }

        try
        {
            await waiter.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            var isIn = false;
            lock (_gate)
            {
                isIn = waiter.Node.List is null;
                if (!isIn)
                {
                    _waiters.Remove(waiter.Node);
                }
            }

            if (isIn)
            {
                Give(bytes);
            }
            else
            {
                // The one behind it may be small enough.
                Give(0);
            }

            throw;
        }
    }

    /// <summary>Takes bytes that are in use already, over the limit if need be: others wait longer for it.</summary>
    public void TakeAnyway(long bytes)
    {
        lock (_gate)
        {
            _used += bytes;
        }
    }

    /// <summary>Gives bytes back.</summary>
    public void Give(long bytes)
    {
        lock (_gate)
        {
            _used -= bytes;
            while (_waiters.First is { Value: var first } && _used + first.Bytes <= limit)
            {
                _used += first.Bytes;
                _waiters.RemoveFirst();

                // Continues asynchronously, so nothing is called under the gate.
                first.SetResult();
            }
        }
    }

    private sealed class Waiter(long bytes) : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public long Bytes => bytes;

        public LinkedListNode<Waiter> Node { get; set; } = null!;
    }
}
