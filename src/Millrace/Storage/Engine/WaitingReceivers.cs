namespace Millrace.Storage.Engine;

/// <summary>The receivers that wait for a message, in the order in which they began to: first come, first served. Guarded by the gate of their queue.</summary>
internal sealed class WaitingReceivers
{
    private QueueReceiver? _tail;

    public QueueReceiver? First { get; private set; }

    public void Add(QueueReceiver receiver)
    {
        receiver.PreviousWaiting = _tail;
        if (_tail is null)
        {
            First = receiver;
        }
        else
        {
            _tail.NextWaiting = receiver;
        }

        _tail = receiver;
    }

    public void Remove(QueueReceiver receiver)
    {
        if (receiver.PreviousWaiting is null)
        {
            First = receiver.NextWaiting;
        }
        else
        {
            receiver.PreviousWaiting.NextWaiting = receiver.NextWaiting;
        }

        if (receiver.NextWaiting is null)
        {
            _tail = receiver.PreviousWaiting;
        }
        else
        {
            receiver.NextWaiting.PreviousWaiting = receiver.PreviousWaiting;
        }

        receiver.PreviousWaiting = null;
        receiver.NextWaiting = null;
    }
}
