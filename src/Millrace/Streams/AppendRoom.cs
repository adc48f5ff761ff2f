namespace Millrace.Streams;

/// <summary>
/// Bytes that may wait to be written. What does not fit waits, first come, first served, and gets into its lane in that order; what is larger than all of it goes when
/// nothing else waits. Safe for concurrent use.
/// </summary>
internal sealed class AppendRoom(long capacity)
{
    private readonly Lock _gate = new();
    private readonly LinkedList<Waiter> _waiters = [];
    private long _taken;

    /// <summary>Puts an append into its lane when there is room for it.</summary>
    public ValueTask EnterAsync(ProducerLane lane, PendingAppend append, CancellationToken cancellationToken)
    {
        LinkedListNode<Waiter>? node = null;
        var start = false;
        lock (_gate)
        {
            if (_waiters.Count == 0 && FitsLocked(append.Size))
            {
                _taken += append.Size;
                start = lane.Enqueue(append);
            }
            else
            {
                node = _waiters.AddLast(new Waiter(lane, append));
            }
        }

        if (start)
        {
            lane.Start();
        }

        return node is null ? default : WaitAsync(node, cancellationToken);
    }

    /// <summary>What was written, or failed, makes room.</summary>
    public void Leave(long bytes)
    {
        List<ProducerLane>? idle;
        lock (_gate)
        {
            _taken -= bytes;
            idle = AdmitLocked();
        }

        idle?.ForEach(lane => lane.Start());
    }

    private async ValueTask WaitAsync(LinkedListNode<Waiter> node, CancellationToken cancellationToken)
    {
        try
        {
            await node.Value.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            List<ProducerLane>? idle = null;
            lock (_gate)
            {
                if (node.List is null)
                {
                    // Accepted in the same moment: its true outcome is told.
                    return;
                }

                _waiters.Remove(node);
                idle = AdmitLocked();
            }

            idle?.ForEach(lane => lane.Start());
            throw;
        }
    }

    private List<ProducerLane>? AdmitLocked()
    {
        List<ProducerLane>? idle = null;
        while (_waiters.First is { Value: var first } && FitsLocked(first.Append.Size))
        {
            _waiters.RemoveFirst();
            _taken += first.Append.Size;
            if (first.Lane.Enqueue(first.Append))
            {
                (idle ??= []).Add(first.Lane);
            }

            first.TrySetResult();
        }

        return idle;
    }

    private bool FitsLocked(long bytes) => _taken == 0 || _taken + bytes <= capacity;

    private sealed class Waiter(ProducerLane lane, PendingAppend append) : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public ProducerLane Lane { get; } = lane;

        public PendingAppend Append { get; } = append;
    }
}
