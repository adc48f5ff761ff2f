using System.Threading.Tasks.Sources;

namespace Millrace.Storage.Engine;

/// <summary>
/// A receiver of a queue. It is its own wait: the source of the <see cref="ValueTask{T}"/> that a waiting lease call returns, the entry of the
/// timer for its longest wait, and a link of the list of those who wait, so that waiting allocates nothing.
/// </summary>
/// <remarks>Fields without a word on it are guarded by the gate of its queue.</remarks>
internal sealed class QueueReceiver : TimerHeapEntry, IQueueReceiver, IValueTaskSource<int>
{
    // Enough for a receiver that renews; one that never does learns of its latest losses only.
    private const int MaxLostKept = 65_536;

    private readonly QueueEngine _store;
    private readonly QueueCore _core;
    private List<LeaseToken> _lost = [];
    private long _renewedUntil;
    private long _waitDeadline;
    private bool _isWaiting;
    private bool _isDisposed;
    private int _outcome;
    private int _leasesPosition = -1;
    private Exception? _error;

    // Touched by the caller's thread only: set before the wait is awaited, read when it has ended.
    private CancellationTokenRegistration _registration;
    private ManualResetValueTaskSourceCore<int> _source = new() { RunContinuationsAsynchronously = true };

    public QueueReceiver(QueueEngine store, QueueSection section, ReceiverOptions options)
    {
        _store = store;
        _core = section.Core;
        Section = section;
        LeaseTicks = options.LeaseDuration.Ticks;
        SettlesOnLease = options.SettleOnLease;
    }

    public QueueSection Section { get; }

    public long LeaseTicks { get; }

    public bool SettlesOnLease { get; }

    /// <summary>Its open deliveries, in the order in which they were leased, which is the order in which their leases end. A field: the list is a mutable value.</summary>
    public EntryList Open;

    public QueueReceiver? PreviousWaiting { get; set; }

    public QueueReceiver? NextWaiting { get; set; }

    public QueueReceiver? NextServed { get; set; }

    /// <summary>Where a waiting call wants its deliveries.</summary>
    public Memory<Delivery> WaitingFor { get; private set; }

    /// <summary>When the lease of an open delivery ends: renewing moves all of them at once, and what was leased later ends later anyway.</summary>
    public long LeaseEndOf(QueueEntry entry) => Math.Max(entry.Time, _renewedUntil);

    /// <summary>Completes the waits of a list of receivers, in order. Called outside the gate.</summary>
    public static void CompleteAll(QueueReceiver? served)
    {
        while (served is not null)
        {
            var receiver = served;
            served = receiver.NextServed;
            receiver.NextServed = null;
            receiver.CompleteWait();
        }
    }

    /// <summary>Ends the waits of a list of receivers with a failure.</summary>
    public static void FailAll(QueueReceiver? served, Exception exception)
    {
        for (var receiver = served; receiver is not null; receiver = receiver.NextServed)
        {
            receiver._error ??= exception;
        }

        CompleteAll(served);
    }

    public ValueTask<int> LeaseAsync(Memory<Delivery> into, TimeSpan maxWait, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfZero(into.Length, nameof(into));
        if (maxWait < TimeSpan.Zero && maxWait != Timeout.InfiniteTimeSpan)
        {
            throw new ArgumentOutOfRangeException(nameof(maxWait), maxWait, "Zero polls, Timeout.InfiniteTimeSpan waits until cancelled; other negative times mean nothing.");
        }

        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellationToken);
        }

        var now = _store.Clock.Now;
        var leased = 0;
        var version = default(short);
        Exception? refusal;
        OperationEnd end;
        JournalRoom room;
        try
        {
            room = _store.RoomForLeases(into.Length);
        }
        catch (MillraceException exception)
        {
            return ValueTask.FromException<int>(exception);
        }

        lock (_core.Gate)
        {
            now = _core.AdvanceLocked(now);
            refusal = RefusalLocked();
            if (refusal is null && (refusal = TryLeaseLocked(into.Span, out leased)) is null)
            {
                if (leased == 0 && maxWait != TimeSpan.Zero)
                {
                    version = BeginWaitLocked(into, now, maxWait);
                }
            }

            end = _core.FinishLocked(room);
        }

        if (leased > 0 && end.JournalEnd > 0)
        {
            return _store.EndLeaseAsync(end, leased);
        }

        _store.EndUnflushed(end);
        if (refusal is not null)
        {
            return ValueTask.FromException<int>(refusal);
        }

        if (leased > 0 || maxWait == TimeSpan.Zero)
        {
            return new ValueTask<int>(leased);
        }

        // If the wait has ended meanwhile, this registers for nothing, and is undone when the result is taken.
        _registration = cancellationToken.UnsafeRegister(static (state, token) => ((QueueReceiver)state!).Cancel(token), this);
        return new ValueTask<int>(this, version);
    }

    public ValueTask<IReadOnlyList<LeaseToken>> RenewAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<IReadOnlyList<LeaseToken>>(cancellationToken);
        }

        var now = _store.Clock.Now;
        IReadOnlyList<LeaseToken> lost = [];
        OperationEnd end;
        lock (_core.Gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed || _store.IsDisposed, this);
            now = _core.AdvanceLocked(now);
            _renewedUntil = MonotonicClock.Add(now, LeaseTicks);
            if (_lost.Count > 0)
            {
                lost = _lost;
                _lost = [];
            }

            end = _core.FinishLocked(default);
        }

        _store.EndUnflushed(end);
        return new ValueTask<IReadOnlyList<LeaseToken>>(lost);
    }

    public ValueTask DisposeAsync()
    {
        OperationEnd end;
        lock (_core.Gate)
        {
            if (_isDisposed)
            {
                return default;
            }

            _core.AdvanceLocked(_store.Clock.Now);
            _isDisposed = true;
            if (_isWaiting)
            {
                EndWaitLocked(0, new ObjectDisposedException(nameof(IQueueReceiver), $"The receiver of queue '{Section.Name}' was disposed while it waited."));
            }

            _core.ReturnAllLocked(this);
            _core.Receivers--;
            end = _core.FinishLocked(default);
        }

        // Nobody waits for the flush: what a power cut takes back is only that these attempts do not count.
        _store.EndUnflushed(end);
        return default;
    }

    /// <summary>Ends the wait with an outcome; it is completed outside the gate.</summary>
    public void EndWaitLocked(int leased, Exception? error)
    {
        Section.Waiting.Remove(this);
        _isWaiting = false;
        WaitingFor = default;
        _outcome = leased;
        _error = error;
        if (_waitDeadline != MonotonicClock.Never)
        {
            _store.Timers.Cancel(this);
        }

        _core.AddServedLocked(this);
    }

    /// <summary>Notes that the lease of a token has ended unsettled; the next renewal reports it.</summary>
    public void NoteLost(LeaseToken token)
    {
        if (_lost.Count == MaxLostKept)
        {
            _lost.RemoveRange(0, MaxLostKept / 2);
        }

        _lost.Add(token);
    }

    /// <summary>The queue is gone: every open delivery is lost.</summary>
    public void LoseAllLocked(Func<QueueEntry, LeaseToken> tokenOf)
    {
        for (var entry = Open.Head; entry is not null; entry = entry.Next)
        {
            NoteLost(tokenOf(entry));
        }
    }

    /// <inheritdoc cref="IValueTaskSource{TResult}.GetStatus"/>
    public ValueTaskSourceStatus GetStatus(short token) => _source.GetStatus(token);

    /// <inheritdoc cref="IValueTaskSource{TResult}.OnCompleted"/>
    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);

    /// <inheritdoc cref="IValueTaskSource{TResult}.GetResult"/>
    public int GetResult(short token)
    {
        // Waits for a callback that is under way, so that none of this wait reaches into the next one.
        _registration.Dispose();
        _registration = default;
        return _source.GetResult(token);
    }

    protected internal override void OnDue()
    {
        OperationEnd end;
        lock (_core.Gate)
        {
            // Messages that are due at the deadline still come in time; a call from an earlier wait finds a later deadline.
            var now = _core.AdvanceLocked(_store.Clock.Now);
            if (_isWaiting && _waitDeadline <= now)
            {
                EndWaitLocked(0, null);
            }

            end = _core.FinishLocked(default);
        }

        _store.EndUnflushed(end);
    }

    private BackendUnavailableException? TryLeaseLocked(Span<Delivery> into, out int leased)
    {
        try
        {
            leased = _core.LeaseLocked(this, into);
            return null;
        }
        catch (BackendUnavailableException fault)
        {
            leased = 0;
            return fault;
        }
    }

    private Exception? RefusalLocked()
    {
        if (_isDisposed || _store.IsDisposed)
        {
            return new ObjectDisposedException(nameof(IQueueReceiver), $"The receiver of queue '{Section.Name}', or its store, has been disposed.");
        }

        return _core.IsDeleted ? new QueueNotFoundException(Section.Name)
            : _isWaiting ? new InvalidOperationException($"The receiver of queue '{Section.Name}' waits already: lease calls are made one at a time.")
            : null;
    }

    private short BeginWaitLocked(Memory<Delivery> into, long now, TimeSpan maxWait)
    {
        _source.Reset();
        _isWaiting = true;
        WaitingFor = into;
        _waitDeadline = MonotonicClock.Never;
        Section.Waiting.Add(this);
        if (maxWait != Timeout.InfiniteTimeSpan)
        {
            _waitDeadline = Math.Min(MonotonicClock.Add(now, maxWait), MonotonicClock.Never - 1);
            _store.Timers.Schedule(this, _waitDeadline);
        }

        return _source.Version;
    }

    private void Cancel(CancellationToken cancellationToken)
    {
        OperationEnd end;
        lock (_core.Gate)
        {
            // A call that has leased returns its deliveries instead.
            if (_isWaiting)
            {
                EndWaitLocked(0, new OperationCanceledException(cancellationToken));
            }

            end = _core.FinishLocked(default);
        }

        _store.EndUnflushed(end);
    }

    private void CompleteWait()
    {
        if (_error is { } error)
        {
            _error = null;
            _source.SetException(error);
        }
        else
        {
            _source.SetResult(_outcome);
        }
    }

    /// <summary>Position in the heap of lease ends.</summary>
    public readonly struct InLeases : IHeapPosition<QueueReceiver>
    {
        public static ref int Of(QueueReceiver item) => ref item._leasesPosition;
    }
}
