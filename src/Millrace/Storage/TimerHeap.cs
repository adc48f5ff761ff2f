namespace Millrace.Storage;

/// <summary>Something that a <see cref="TimerHeap"/> wakes: derive from it, so that scheduling allocates nothing.</summary>
internal abstract class TimerHeapEntry
{
    internal int TimerPosition = -1;

    /// <summary>
    /// Called when the entry is due, on a timer's thread, outside every lock of the heap; must be quick and must not throw. The entry is no longer
    /// scheduled then. A call may already be under way while the entry is cancelled or scheduled again, so the entry checks its own state.
    /// </summary>
    protected internal abstract void OnDue();
}

/// <summary>
/// Wakes any number of entries at their times with one timer of the <see cref="TimeProvider"/>, armed to the earliest of them. Scheduling, moving and
/// cancelling are O(log n). Entries become due in order of their times (equal times: in the order of scheduling), never early, and late by the
/// resolution of the timer: about a millisecond. Safe for concurrent use; may be called under locks that <see cref="TimerHeapEntry.OnDue"/> takes.
/// </summary>
internal sealed class TimerHeap : IDisposable
{
    // Timers take less than 50 days; a timer that comes early only looks and is armed again.
    private const long LongestTimerTicks = TimeSpan.TicksPerDay;

    // A timer counts from when it is set: when the clock went on between the look at it and that (a thread that was held up, a clock that a test moves), the timer would be late by as much.
    private const long LongestArmingTicks = TimeSpan.TicksPerMillisecond;

    private readonly Lock _gate = new();
    private readonly IndexedHeap<TimerHeapEntry, Position> _heap = new();
    private readonly MonotonicClock _clock;
    private readonly ITimer _timer;
    private readonly List<TimerHeapEntry> _due = [];
    private long _scheduled;
    private long _armedFor = MonotonicClock.Never;
    private bool _isFiring;
    private bool _isDisposed;

    public TimerHeap(MonotonicClock clock)
    {
        _clock = clock;

        // The timer must not carry the execution context of whoever opened the store.
        using (ExecutionContext.IsFlowSuppressed() ? default(AsyncFlowControl?) : ExecutionContext.SuppressFlow())
        {
            _timer = clock.TimeProvider.CreateTimer(static state => ((TimerHeap)state!).Fire(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>How many entries are scheduled.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _heap.Count;
            }
        }
    }

    /// <summary>Wakes <paramref name="entry"/> at <paramref name="due"/> (in time of the heap's clock), instead of at an earlier time if it had one. A time that has passed means at once, on the timer's thread.</summary>
    public void Schedule(TimerHeapEntry entry, long due)
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            _heap.Set(entry, due, ++_scheduled);
            ArmLocked();
        }
    }

    /// <summary>Takes <paramref name="entry"/> out.</summary>
    /// <returns>False when it was not scheduled, or its call is already under way.</returns>
    public bool Cancel(TimerHeapEntry entry)
    {
        // The timer stays armed: an early look costs less than arming it anew at every cancellation.
        lock (_gate)
        {
            if (entry.TimerPosition < 0)
            {
                return false;
            }

            _heap.Remove(entry);
            return true;
        }
    }

    /// <summary>Stops. Calls that are under way finish; entries that were scheduled are not called.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            while (_heap.First is { } entry)
            {
                _heap.Remove(entry);
            }
        }

        _timer.Dispose();
    }

    private void Fire()
    {
        lock (_gate)
        {
            // While one thread fires, nobody else does: order holds, and one list of due entries is enough.
            if (_isFiring)
            {
                return;
            }

            _isFiring = true;
            _armedFor = MonotonicClock.Never;
        }

        while (TakeDue())
        {
            foreach (var entry in _due)
            {
                entry.OnDue();
            }

            _due.Clear();
        }
    }

    private bool TakeDue()
    {
        lock (_gate)
        {
            var now = _clock.Now;
            while (_heap.FirstKey <= now && _heap.First is { } entry)
            {
                _heap.Remove(entry);
                _due.Add(entry);
            }

            if (_due.Count > 0)
            {
                return true;
            }

            _isFiring = false;
            ArmLocked();
            return false;
        }
    }

    private void ArmLocked()
    {
        var due = _heap.FirstKey;
        if (_isFiring || _isDisposed || due >= _armedFor)
        {
            return;
        }

        _armedFor = due;
        long now;
        do
        {
            // Rounded up to whole milliseconds: the system's timers cut fractions off, and would come early.
            now = _clock.Now;
            var wait = Math.Clamp(due - now, 0, LongestTimerTicks);
            var milliseconds = (wait + TimeSpan.TicksPerMillisecond - 1) / TimeSpan.TicksPerMillisecond;
            _timer.Change(TimeSpan.FromMilliseconds(milliseconds), Timeout.InfiniteTimeSpan);
        }
        while (_clock.Now - now > LongestArmingTicks);
    }

    private readonly struct Position : IHeapPosition<TimerHeapEntry>
    {
        public static ref int Of(TimerHeapEntry item) => ref item.TimerPosition;
    }
}
