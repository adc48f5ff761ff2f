namespace Millrace.Testing;

/// <summary>
/// A clock that moves only when it is told to. Starts at 2030-01-01T00:00:00Z unless told otherwise; wall clock and timestamps move together.
/// Safe for concurrent use.
/// </summary>
/// <remarks>
/// <para><see cref="Advance"/> runs the callbacks of timers on its own thread, in order of their due times (ties: the order in which they were set), with the clock standing
/// at each timer's due time. Timers that a callback creates or changes fire within the same advance if they are due in it.</para>
/// <para>A timer whose due time is zero fires at once on the thread pool, as the system's do, so that code which sets one under its own lock is not re-entered.</para>
/// </remarks>
public sealed class ManualTimeProvider : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly PriorityQueue<(ManualTimer Timer, long Setting), (long DueAt, long Setting)> _due = new();
    private readonly DateTimeOffset _start;
    private long _now;
    private long _target;
    private long _settings;
    private int _activeTimers;

    /// <summary>A clock that stands at 2030-01-01T00:00:00Z.</summary>
    public ManualTimeProvider()
        : this(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero))
    {
    }

    /// <summary>A clock that stands at <paramref name="start"/>.</summary>
    public ManualTimeProvider(DateTimeOffset start) => _start = start.ToUniversalTime();

    /// <summary>UTC, wherever the test runs.</summary>
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    /// <summary>Ten million: a timestamp is a count of 100 ns.</summary>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>How many timers are set to fire.</summary>
    public int ActiveTimers
    {
        get
        {
            lock (_gate)
            {
                return _activeTimers;
            }
        }
    }

    /// <summary>How long it is until the first timer that is set fires; null when none is set.</summary>
    public TimeSpan? UntilNextTimer
    {
        get
        {
            lock (_gate)
            {
                DropOutdatedLocked();
                return _due.TryPeek(out _, out var place) ? TimeSpan.FromTicks(Math.Max(0, place.DueAt - _now)) : null;
            }
        }
    }

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => _start + TimeSpan.FromTicks(GetTimestamp());

    /// <inheritdoc/>
    public override long GetTimestamp() => Volatile.Read(ref _now);

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        var timer = new ManualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>
    /// Moves the clock forward and returns when every timer that became due has run its callback. Advances from several threads, or from within a callback, add up.
    /// An exception of a callback passes through to the caller and leaves the clock at that timer's due time; the next advance goes on from there.
    /// </summary>
    /// <param name="by">How far; zero fires what is due already. Not negative.</param>
    public void Advance(TimeSpan by)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        long target;
        lock (_gate)
        {
            target = _target += by.Ticks;
        }

        while (TakeDue(target) is { } timer)
        {
            timer.Run();
        }
    }

    private ManualTimer? TakeDue(long target)
    {
        lock (_gate)
        {
            DropOutdatedLocked();
            if (_due.TryPeek(out var entry, out var place) && place.DueAt <= target)
            {
                _due.Dequeue();
                _now = Math.Max(_now, place.DueAt);
                entry.Timer.TakenLocked(place.DueAt);
                return entry.Timer;
            }

            _now = Math.Max(_now, target);
            return null;
        }
    }

    /// <summary>A timer that was changed or disposed leaves its earlier settings behind in the queue.</summary>
    private void DropOutdatedLocked()
    {
        while (_due.TryPeek(out var entry, out _) && entry.Timer.Setting != entry.Setting)
        {
            _due.Dequeue();
        }
    }

    private sealed class ManualTimer(ManualTimeProvider clock, TimerCallback callback, object? state) : ITimer
    {
        private readonly ExecutionContext? _context = ExecutionContext.Capture();
        private TaskCompletionSource? _idle;
        private long _periodTicks;
        private int _running;
        private bool _disposed;

        /// <summary>Identifies the latest setting; 0 when the timer is not set.</summary>
        public long Setting { get; private set; }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            RequireSpan(dueTime, nameof(dueTime));
            RequireSpan(period, nameof(period));
            lock (clock._gate)
            {
                if (_disposed)
                {
                    return false;
                }

                ClearLocked();
                _periodTicks = period > TimeSpan.Zero ? period.Ticks : 0;
                if (dueTime > TimeSpan.Zero)
                {
                    SetLocked(clock._now + dueTime.Ticks);
                }
                else if (dueTime == TimeSpan.Zero)
                {
                    if (_periodTicks > 0)
                    {
                        SetLocked(clock._now + _periodTicks);
                    }

                    _running++;
                    ThreadPool.UnsafeQueueUserWorkItem(static timer => timer.Run(), this, preferLocal: false);
                }

                return true;
            }
        }

        /// <summary>The caller holds the gate and will call <see cref="Run"/> outside it.</summary>
        public void TakenLocked(long dueAt)
        {
            ClearLocked();
            _running++;
            if (_periodTicks > 0)
            {
                SetLocked(dueAt + _periodTicks);
            }
        }

        public void Run()
        {
            try
            {
                if (_context is null)
                {
                    callback(state);
                }
                else
                {
                    ExecutionContext.Run(_context, static timer => ((ManualTimer)timer!).Invoke(), this);
                }
            }
            finally
            {
                lock (clock._gate)
                {
                    _running--;
                    if (_running == 0)
                    {
                        _idle?.TrySetResult();
                    }
                }
            }
        }

        public void Dispose()
        {
            lock (clock._gate)
            {
                ClearLocked();
                _disposed = true;
            }
        }

        /// <summary>Completes when no callback of the timer runs any more.</summary>
        public ValueTask DisposeAsync()
        {
            lock (clock._gate)
            {
                ClearLocked();
                _disposed = true;
                if (_running == 0)
                {
                    return default;
                }

                _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                return new ValueTask(_idle.Task);
            }
        }

        private static void RequireSpan(TimeSpan span, string name)
        {
            if (span < TimeSpan.Zero && span != Timeout.InfiniteTimeSpan)
            {
                throw new ArgumentOutOfRangeException(name, span, "Must not be negative, except Timeout.InfiniteTimeSpan.");
            }
        }

        private void Invoke() => callback(state);

        private void SetLocked(long dueAt)
        {
            Setting = ++clock._settings;
            clock._activeTimers++;
            clock._due.Enqueue((this, Setting), (dueAt, Setting));
        }

        private void ClearLocked()
        {
            if (Setting != 0)
            {
                Setting = 0;
                clock._activeTimers--;
            }
        }
    }
}
