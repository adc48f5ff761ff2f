using System.Collections.Concurrent;

namespace Millrace.Storage.FileLog;

/// <summary>Waiters that nobody uses, up to a bound. Safe for concurrent use.</summary>
internal sealed class FlushWaiterPool
{
    private const int MaxKept = 1024;

    private readonly ConcurrentQueue<FlushWaiter> _free = new();

    public FlushWaiter Rent() => _free.TryDequeue(out var waiter) ? waiter : new FlushWaiter(this);

    public void Return(FlushWaiter waiter)
    {
        if (_free.Count < MaxKept)
        {
            _free.Enqueue(waiter);
        }
    }
}
