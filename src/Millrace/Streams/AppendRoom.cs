namespace Millrace.Streams;

/// <summary>Bytes that may wait to be written. Who does not fit waits, first come, first served; what is larger than all of it goes when nothing else waits. Safe for concurrent use.</summary>
internal sealed class AppendRoom(long capacity)
{
    private readonly Lock _gate = new();
    private readonly LinkedList<Waiter> _waiters = [];
    private long _taken;

    public ValueTask EnterAsync(long bytes, CancellationToken cancellationToken)
    {
        LinkedListNode<Waiter> node;
        lock (_gate)
        {
            if (_waiters.Count == 0 && FitsLocked(bytes))
            {
                _taken += bytes;
                return default;
            }

            node = _waiters.AddLast(new Waiter(bytes));
        }

        return WaitAsync(node, cancellationToken);
    }

    public void Leave(long bytes)
    {
        List<Waiter>? admitted = null;
        lock (_gate)
        {
            _taken -= bytes;
            admitted = AdmitLocked();
        }

        admitted?.ForEach(waiter => waiter.TrySetResult());
    }

    private async ValueTask WaitAsync(LinkedListNode<Waiter> node, CancellationToken cancellationToken)
    {
        try
        {
            await node.Value.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            List<Waiter>? admitted;
            lock (_gate)
            {
                if (node.List is null)
                {
                    // Admitted in the same moment.
                    _taken -= node.Value.Bytes;
                }
                else
                {
                    _waiters.Remove(node);
                }

                admitted = AdmitLocked();
            }

            admitted?.ForEach(waiter => waiter.TrySetResult());
            throw;
        }
    }

    private List<Waiter>? AdmitLocked()
    {
        List<Waiter>? admitted = null;
        while (_waiters.First is { } first && FitsLocked(first.Value.Bytes))
        {
            _waiters.RemoveFirst();
            _taken += first.Value.Bytes;
            (admitted ??= []).Add(first.Value);
        }

        return admitted;
    }

    private bool FitsLocked(long bytes) => _taken == 0 || _taken + bytes <= capacity;

    private sealed class Waiter(long bytes) : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public long Bytes { get; } = bytes;
    }
}
