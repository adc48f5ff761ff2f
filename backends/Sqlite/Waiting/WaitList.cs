namespace Millrace.Sqlite.Waiting;

/// <summary>
/// Those who wait for one thing, first come first woken. A waiter joins before it looks, so that no wake between its look and its wait is missed.
/// Woken ones are completed outside the lock.
/// </summary>
internal sealed class WaitList
{
    // A timer is set some instants after the look that it is set for, and is rounded up.
    private static readonly TimeSpan TimerSlack = TimeSpan.FromMilliseconds(10);

    private readonly Lock _gate = new();
    private readonly LinkedList<Waiter> _waiters = [];
    private readonly Action<int> _countChanged;

    /// <summary>An empty list.</summary>
    /// <param name="countChanged">Told +1 and -1 when a waiter joins and leaves.</param>
    public WaitList(Action<int> countChanged) => _countChanged = countChanged;

    /// <summary>How many have it open. Under the lock of <see cref="StoreSignals"/>.</summary>
    public int Users { get; set; }

    /// <summary>When something was to happen in the queue, as the watcher saw it last; the watcher's.</summary>
    public (long, long, long, long, long)? LastEvents { get; set; }

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _waiters.Count;
            }
        }
    }

    public Waiter Join()
    {
        var waiter = new Waiter(this);
        lock (_gate)
        {
            waiter.Node = _waiters.AddLast(waiter);
        }

        _countChanged(1);
        return waiter;
    }

    /// <summary>Wakes up to <paramref name="count"/> waiters.</summary>
    public void Wake(int count)
    {
        while (count-- > 0)
        {
            Waiter waiter;
            lock (_gate)
            {
                if (_waiters.First is not { } first)
                {
                    return;
                }

                waiter = first.Value;
                RemoveLocked(waiter);
            }

            _countChanged(-1);
            waiter.Complete();
        }
    }

    public void WakeAll() => Wake(int.MaxValue);

    /// <summary>Sees to it that somebody who waits has set a timer for an event in the queue: wakes one to look, unless one has.</summary>
    /// <param name="untilEvent">How long until the event; <see cref="Timeout.InfiniteTimeSpan"/> for none.</param>
    /// <param name="timeProvider">The clock of the timers.</param>
    public void WakeUnlessAwaited(TimeSpan untilEvent, TimeProvider timeProvider)
    {
        if (untilEvent == Timeout.InfiniteTimeSpan)
        {
            return;
        }

        var now = timeProvider.GetTimestamp();
        lock (_gate)
        {
            foreach (var waiter in _waiters)
            {
                if (waiter.ArmedAt is { } armedAt && waiter.ArmedFor - timeProvider.GetElapsedTime(armedAt, now) <= untilEvent + TimerSlack)
                {
                    return;
                }
            }
        }

        Wake(1);
    }

    /// <summary>Leaves the list.</summary>
    /// <returns>False when the waiter had been woken.</returns>
    private bool Leave(Waiter waiter)
    {
        lock (_gate)
        {
            if (waiter.Node is null)
            {
                return false;
            }

            RemoveLocked(waiter);
        }

        _countChanged(-1);
        return true;
    }

    private void Arm(Waiter waiter, long now, TimeSpan timeout)
    {
        lock (_gate)
        {
            (waiter.ArmedAt, waiter.ArmedFor) = (now, timeout);
        }
    }

    private void RemoveLocked(Waiter waiter)
    {
        _waiters.Remove(waiter.Node!);
        waiter.Node = null;
    }

    /// <summary>One wait.</summary>
    internal sealed class Waiter(WaitList list) : IDisposable
    {
        private readonly TaskCompletionSource _woken = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Its place; null once it has been woken or has left. Under the list's lock.</summary>
        public LinkedListNode<Waiter>? Node { get; set; }

        /// <summary>When its timer was set, as a timestamp; null while it has none. Under the list's lock.</summary>
        public long? ArmedAt { get; set; }

        /// <summary>How long its timer runs. Under the list's lock.</summary>
        public TimeSpan ArmedFor { get; set; }

        /// <summary>Whether it has been woken.</summary>
        public bool IsWoken => _woken.Task.IsCompleted;

        /// <summary>Waits to be woken, for the time to pass, or for cancellation, which ends the wait like the others: the caller looks at its token.</summary>
        public async ValueTask WaitAsync(TimeSpan timeout, TimeProvider timeProvider, CancellationToken cancellationToken)
        {
            if (timeout != Timeout.InfiniteTimeSpan)
            {
                list.Arm(this, timeProvider.GetTimestamp(), timeout);
            }

            var registration = cancellationToken.UnsafeRegister(static state => ((Waiter)state!).Complete(), this);
            var timer = timeout == Timeout.InfiniteTimeSpan
                ? null
                : timeProvider.CreateTimer(static state => ((Waiter)state!).Complete(), this, Clamp(timeout), Timeout.InfiniteTimeSpan);
            try
            {
                await _woken.Task.ConfigureAwait(false);
            }
            finally
            {
                registration.Unregister();
                timer?.Dispose();
            }
        }

        public void Complete() => _woken.TrySetResult();

        /// <summary>Leaves. If it had been woken and did not use that, <see cref="PassOn"/> tells the next.</summary>
        public void Dispose() => list.Leave(this);

        /// <summary>Leaves, and if it had been woken, wakes the next in its stead.</summary>
        public void PassOn()
        {
            if (!list.Leave(this))
            {
                list.Wake(1);
            }
        }

        // Timers take at most 49 days; a waiter that wakes early looks again. Rounded up, or the last fraction of a millisecond would be spent spinning.
        private static TimeSpan Clamp(TimeSpan timeout) =>
            timeout > TimeSpan.FromDays(40) ? TimeSpan.FromDays(40) : TimeSpan.FromMilliseconds(Math.Ceiling(timeout.TotalMilliseconds));
    }
}
