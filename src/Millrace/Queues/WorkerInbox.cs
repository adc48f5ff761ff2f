using System.Threading.Channels;
using Millrace.Storage;

namespace Millrace.Queues;

/// <summary>What a worker holds: every delivery by its token, and the line of those that wait for a handler. Bounded by the worker's credit. Safe for concurrent use.</summary>
internal sealed class WorkerInbox(Action<Exception> onCallbackError) : IDeliverySink
{
    private readonly Lock _gate = new();
    private readonly Dictionary<LeaseToken, WorkerAttempt> _attempts = [];
    private readonly Channel<WorkerAttempt> _waiting = Channel.CreateUnbounded<WorkerAttempt>(new UnboundedChannelOptions { SingleWriter = true });
    private volatile bool _closed;

    /// <summary>Those that wait for a handler, in order.</summary>
    public ChannelReader<WorkerAttempt> Waiting => _waiting.Reader;

    /// <summary>Whether nothing more is to be begun.</summary>
    public bool IsClosed => _closed;

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _attempts.Count;
            }
        }
    }

    public void OnDeliveries(ReadOnlySpan<Delivery> deliveries)
    {
        lock (_gate)
        {
            foreach (ref readonly var delivery in deliveries)
            {
                // After the close nothing is taken: it stays with the consumer, which hands it back.
                var attempt = new WorkerAttempt(delivery);
                if (_waiting.Writer.TryWrite(attempt))
                {
                    _attempts[delivery.Token] = attempt;
                }
            }
        }
    }

    public void OnLeaseLost(LeaseToken token)
    {
        WorkerAttempt? attempt;
        lock (_gate)
        {
            _attempts.TryGetValue(token, out attempt);
        }

        attempt?.Cancel(AttemptCancellation.LeaseLost, onCallbackError);
    }

    public void Remove(WorkerAttempt attempt)
    {
        lock (_gate)
        {
            _attempts.Remove(attempt.Delivery.Token);
        }
    }

    public void Close()
    {
        _closed = true;
        _waiting.Writer.TryComplete();
    }

    /// <summary>Cancels the attempts at a message whose handler runs; one that waits is left alone.</summary>
    public void CancelRunning(MessageId id)
    {
        foreach (var attempt in Snapshot())
        {
            if (attempt.Delivery.Message.Id == id && attempt.IsRunning)
            {
                attempt.Cancel(AttemptCancellation.Asked, onCallbackError);
            }
        }
    }

    /// <summary>Cancels every attempt that runs.</summary>
    public void CancelAll()
    {
        foreach (var attempt in Snapshot())
        {
            attempt.Cancel(AttemptCancellation.Stopping, onCallbackError);
        }
    }

    private WorkerAttempt[] Snapshot()
    {
        lock (_gate)
        {
            return [.. _attempts.Values];
        }
    }
}
