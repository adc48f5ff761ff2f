using System.Diagnostics;
using System.Security.Cryptography;

namespace Millrace.Storage.Engine;

/// <summary>
/// One queue with its dead letters: the state machine of docs/delivery.md under one gate. This file holds its state and its clock; the moves of messages and the
/// administration are in the other parts.
/// </summary>
/// <remarks>
/// Every operation is: set room in the journal aside, take <see cref="Gate"/>, <see cref="AdvanceLocked"/> to its time, act, <see cref="FinishLocked"/>, leave the gate, and only
/// then <see cref="QueueEngine.EndAsync"/>: write through, complete the receivers that were served, wait for durability.
/// What holds whenever the gate is free is written in <see cref="AssertInvariantsLocked"/>.
/// </remarks>
internal sealed partial class QueueCore : TimerHeapEntry
{
    /// <summary>How often an idle queue looks for ids that have left its window.</summary>
    private const long WindowSweepTicks = 10 * TimeSpan.TicksPerSecond;

    // Less than what every operation sets aside beside its own changes.
    private const int MaxAdvanceBytes = QueueEngine.ChangeBytes / 2;

    private readonly QueueEngine _store;
    private readonly EntryTable _table = new();
    private readonly LiveIds _liveIds = new();
    private readonly DedupWindow _window = new();
    private readonly IndexedHeap<QueueEntry, QueueEntry.InExpiry> _expiries = new();

    // Receivers by a time before which none of their leases ends. Renewing and settling only make it later, so the bound is corrected when it is reached.
    private readonly IndexedHeap<QueueReceiver, QueueReceiver.InLeases> _leases = new();

    // Added to lease numbers, so that a token of another store or an invented one fits no lease.
    private readonly ulong _tokenSalt = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)));

    private StoreIds _ids = new();
    private QueueCounters _counters;
    private QueueCounters _deadCounters;
    private long _sequence;
    private long _leaseNumber;
    private long _now;
    private long _nextEvent = MonotonicClock.Never;
    private long _armedFor = MonotonicClock.Never;
    private long _idleSince = MonotonicClock.Never;
    private QueueReceiver? _firstServed;
    private QueueReceiver? _lastServed;

    // Where the journal ended behind what the queue has changed last, and behind what time had changed when this operation began.
    private long _journalEnd;
    private long _advancedEnd;

    // Whether this operation has met the repeat of an id: its sender is told that the message is stored, so that must be as durable as if it had been stored now.
    private bool _hasRepeat;

    public QueueCore(QueueEngine store, uint serial, string name, QueueSettings settings)
    {
        _store = store;
        Serial = serial;
        Name = name;
        Settings = settings;
        _changes = store.Journal is null ? null : new ChangeWriter(serial);
        Main = new QueueSection(this, name, isDead: false);
        Dead = new QueueSection(this, ResourceName.DeadLetterQueueOf(name), isDead: true);
    }

    public Lock Gate { get; } = new();

    public string Name { get; }

    /// <summary>From 1, never used twice by a store: the order in which gates are taken, and part of tokens.</summary>
    public uint Serial { get; }

    public QueueSection Main { get; }

    public QueueSection Dead { get; }

    public QueueSettings Settings { get; private set; }

    public bool IsDeleted { get; private set; }

    /// <summary>How many receivers are open.</summary>
    public int Receivers { get; set; }

    public long MaxBytes => Settings.MaxBytes ?? _store.Capabilities.DefaultMaxBytes;

    private long DedupWindowTicks => Settings.DedupWindow.Ticks;

    /// <summary>Brings the queue to <paramref name="now"/>: leases end, messages become due and expire, each at its own time. Time never goes back.</summary>
    /// <returns>The queue's time.</returns>
    public long AdvanceLocked(long now)
    {
        Debug.Assert(Gate.IsHeldByCurrentThread, "The gate is held.");
        now = Math.Max(now, _now);
        if (now < _nextEvent || IsDeleted)
        {
            return _now = now;
        }

        SweepLocked(now);
        _now = now;

        // Who waits comes before who asks now.
        ServeLocked(Main);
        ServeLocked(Dead);
        WriteAdvanceLocked();
        return now;
    }

    /// <summary>Ends an operation: serves those who wait, sees to it that the next event is not missed, and writes down what was changed.</summary>
    /// <param name="room">The room that the operation has set aside.</param>
    /// <returns>What is left to do outside the gate.</returns>
    public OperationEnd FinishLocked(JournalRoom room)
    {
        SettleDownLocked();
        try
        {
            return TakeEndLocked(WriteDownLocked(room));
        }
        catch (Exception fault) when (fault is BackendUnavailableException or ObjectDisposedException)
        {
            FailServedLocked(fault);
            if (room.Bytes > 0)
            {
                throw;
            }

            // Only what time changes, or the end of a receiver, sets no room aside. It is written down with the next operation, and a crash changes it again.
            return default;
        }
    }

    /// <summary>The first half of <see cref="FinishLocked"/>, for an operation on several queues: what they changed is then written down together.</summary>
    public void SettleDownLocked()
    {
        ServeLocked(Main);
        ServeLocked(Dead);
        WatchIdlenessLocked();
        if (_nextEvent < _armedFor && !IsDeleted)
        {
            _armedFor = _nextEvent;
            _store.Timers.Schedule(this, _nextEvent);
        }

        AssertInvariantsLocked();
    }

    /// <summary>The last step of <see cref="FinishLocked"/>.</summary>
    /// <param name="journalEnd">Where the journal ends behind what the operation changed.</param>
    public OperationEnd TakeEndLocked(long journalEnd)
    {
        _journalEnd = Math.Max(_journalEnd, journalEnd);
        var end = new OperationEnd(_firstServed, _hasRepeat ? _journalEnd : Math.Max(journalEnd, _advancedEnd), _servedMustBeDurable);
        _hasRepeat = false;
        _advancedEnd = 0;
        _firstServed = null;
        _lastServed = null;
        _servedMustBeDurable = false;
        return end;
    }

    protected internal override void OnDue()
    {
        OperationEnd end;
        lock (Gate)
        {
            _armedFor = MonotonicClock.Never;
            AdvanceLocked(_store.Clock.Now);
            end = FinishLocked(default);
        }

        // What time alone has changed is changed again after a crash: nobody waits for its flush.
        _store.EndUnflushed(end);
    }

    /// <summary>Notes a receiver whose wait has an outcome; <see cref="FinishLocked"/> hands it out.</summary>
    public void AddServedLocked(QueueReceiver receiver)
    {
        if (_lastServed is null)
        {
            _firstServed = receiver;
        }
        else
        {
            _lastServed.NextServed = receiver;
        }

        _lastServed = receiver;
    }

    /// <summary>What was to be handed out cannot be written down: whoever waited learns why instead. Their continuations run elsewhere, so the gate is no matter.</summary>
    public void FailServedLocked(Exception fault)
    {
        var served = _firstServed;
        _firstServed = null;
        _lastServed = null;
        _servedMustBeDurable = false;
        _hasRepeat = false;
        _advancedEnd = 0;
        QueueReceiver.FailAll(served, fault);
    }

    /// <summary>Fails every wait: nothing will come any more.</summary>
    public void EndWaitsLocked(Func<QueueSection, Exception> reason)
    {
        foreach (var section in (ReadOnlySpan<QueueSection>)[Main, Dead])
        {
            while (section.Waiting.First is { } receiver)
            {
                receiver.EndWaitLocked(0, reason(section));
            }
        }
    }

    /// <summary>Deletes the queue: its leases are lost, and those who wait learn that it is gone.</summary>
    public void DeleteLocked()
    {
        IsDeleted = true;
        _changes?.Kind(ChangeKind.QueueDeleted);
        for (var i = 0; i < _leases.Count; i++)
        {
            _leases[i].LoseAllLocked(TokenOf);
        }

        EndWaitsLocked(static section => new QueueNotFoundException(section.Name));
        _store.Timers.Cancel(this);
        _store.Forget(this);
        ForgetRecordsLocked();
    }

    /// <summary>Notes that the queue exists, for the journal.</summary>
    public void WriteCreatedLocked()
    {
        if (_changes is not null)
        {
            _changes.Kind(ChangeKind.QueueCreated).Text(Name).Number(_sequence);
            SettingsRecord.Write(_changes, Settings);
        }
    }

    /// <summary>Binds the queue to a pattern.</summary>
    public bool BindLocked(TopicPattern pattern)
    {
        _store.AddBinding(Name, pattern);
        _changes?.Kind(ChangeKind.Bound).Text(pattern.Text);
        return true;
    }

    /// <summary>Takes a binding away.</summary>
    /// <returns>False when there was none.</returns>
    public bool UnbindLocked(TopicPattern pattern)
    {
        var wasBound = _store.RemoveBinding(Name, pattern);
        if (wasBound)
        {
            _changes?.Kind(ChangeKind.Unbound).Text(pattern.Text);
        }

        return wasBound;
    }

    private DateTimeOffset WallTimeOf(long instant) => _store.Clock.UtcNow.AddTicks(instant - _store.Clock.Now);

    private void NoteEventLocked(long at) => _nextEvent = Math.Min(_nextEvent, at);

    private void SweepLocked(long now)
    {
        while (true)
        {
            var expiry = _expiries.FirstKey;
            var due = Math.Min(Main.NextDue, Dead.NextDue);
            var next = Math.Min(_leases.FirstKey, Math.Min(expiry, due));
            if (next > now)
            {
                _nextEvent = next;
                break;
            }

            // Each event sees the queue at its own time.
            _now = Math.Max(_now, next);

            // At one instant: a lease ends before its message can expire, and what expires does not become due.
            if (next == _leases.FirstKey)
            {
                EndLeaseLocked(_leases.First!);
            }
            else if (next == expiry)
            {
                ReachExpiryLocked(_expiries.First!);
            }
            else
            {
                PromoteLocked(next == Main.NextDue ? Main : Dead);
            }
        }

        _window.ForgetUntil(now - DedupWindowTicks);
        if (_window.Count > 0)
        {
            NoteEventLocked(Math.Max(MonotonicClock.Add(_window.OldestSettledAt, DedupWindowTicks), now + WindowSweepTicks));
        }

        if (_idleSince != MonotonicClock.Never && Settings.DeleteAfterIdle is { } idle)
        {
            var end = MonotonicClock.Add(_idleSince, idle);
            if (end <= now)
            {
                DeleteLocked();
            }
            else
            {
                NoteEventLocked(end);
            }
        }
    }

    /// <summary>Handles a receiver whose bound is reached: ends its first lease if that has ended, else corrects the bound.</summary>
    private void EndLeaseLocked(QueueReceiver receiver)
    {
        if (receiver.Open.Head is not { } entry)
        {
            _leases.Remove(receiver);
            return;
        }

        var end = receiver.LeaseEndOf(entry);
        if (end > _now)
        {
            _leases.Set(receiver, end);
            return;
        }

        // Not written down: after a crash all leases have ended, and this one with them.
        receiver.NoteLost(TokenOf(entry));
        ReturnLocked(entry, TimeSpan.Zero, isWritten: false);
    }

    private void ReachExpiryLocked(QueueEntry entry)
    {
        _expiries.Remove(entry);

        // Who has it may still complete it; if it comes back instead, it has expired.
        if (entry.Place != EntryPlace.Leased)
        {
            entry.Section.Remove(entry);
            ExpireLocked(entry);
        }
    }

    private void PromoteLocked(QueueSection section)
    {
        var entry = section.FirstScheduled!;
        section.Remove(entry);
        entry.Sequence = ++_sequence;
        section.AddReady(entry);
        _changes?.Kind(ChangeKind.Promoted).Number(entry.Slot).Number(entry.Sequence);
    }

    private void ServeLocked(QueueSection section)
    {
        while (section.HasLeasable && section.Waiting.First is { } receiver)
        {
            try
            {
                if (LeaseLocked(receiver, receiver.WaitingFor.Span) is var leased and > 0)
                {
                    receiver.EndWaitLocked(leased, null);
                }
            }
            catch (BackendUnavailableException fault)
            {
                receiver.EndWaitLocked(0, fault);
            }
        }
    }

    /// <summary>Much that time has changed is written down by itself, so that what the operation adds fits the room that it has set aside.</summary>
    private void WriteAdvanceLocked()
    {
        if (_changes is null || _changes.Position < MaxAdvanceBytes)
        {
            return;
        }

        try
        {
            _journalEnd = _advancedEnd = WriteDownLocked(default);
        }
        catch (Exception fault) when (fault is BackendUnavailableException or ObjectDisposedException)
        {
            FailServedLocked(fault);
        }
    }

    private void WatchIdlenessLocked()
    {
        if (Settings.DeleteAfterIdle is not { } idle || _table.Count > 0 || Receivers > 0)
        {
            _idleSince = MonotonicClock.Never;
        }
        else if (_idleSince == MonotonicClock.Never)
        {
            _idleSince = _now;
            NoteEventLocked(MonotonicClock.Add(_now, idle));
        }
    }

    [Conditional("DEBUG")]
    private void AssertInvariantsLocked()
    {
        Debug.Assert(Gate.IsHeldByCurrentThread, "The gate is held.");
        foreach (var section in (ReadOnlySpan<QueueSection>)[Main, Dead])
        {
            Debug.Assert(IsDeleted || section.Waiting.First is null || !section.HasLeasable, "Nobody waits while there is something to lease.");
            Debug.Assert(section.Ready > 0 || !section.HasLeasable, "What can be leased is ready.");
            Debug.Assert(section.Length > 0 || section.Bytes == 0, "An empty queue has no bytes.");
            Debug.Assert(IsDeleted || section.NextDue >= _nextEvent, "No due time is before the next event.");
        }

        Debug.Assert(_table.Count == Main.Length + Dead.Length, "Every entry in use stands in exactly one state of one section.");
        Debug.Assert(IsDeleted || (_leases.FirstKey >= _nextEvent && _expiries.FirstKey >= _nextEvent), "No lease ends and nothing expires before the next event.");
        Debug.Assert(IsDeleted || _armedFor <= _nextEvent, "The timer comes no later than the next event.");
    }
}
