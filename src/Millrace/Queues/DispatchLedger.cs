using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Millrace.Storage;

namespace Millrace.Queues;

/// <summary>
/// The books of a lane: who consumes, with how much free credit, and who holds which delivery. Everything is guarded by one gate; no method calls out
/// of the ledger while it holds it, so the gate is the last in every lock order (docs/lock-order.md). Safe for concurrent use.
/// </summary>
/// <remarks>
/// Invariants, under the gate:
/// <list type="bullet">
/// <item>A consumer's free credit is its window, plus what it added, minus its deliveries in the table (or, settled on lease, minus all it was given).</item>
/// <item><c>_freeCredit</c> is the sum of the positive free credits of the consumers that are not closed.</item>
/// <item>A consumer that is not closed and has free credit stands in the ring exactly once.</item>
/// <item>A delivery in the table belongs to a consumer that is not closed, or is settling, or is returning.</item>
/// </list>
/// </remarks>
internal sealed partial class DispatchLedger(bool settleOnLease)
{
    private readonly Lock _gate = new();
    private readonly HashSet<DispatchConsumer> _consumers = [];
    private readonly Queue<DispatchConsumer> _ring = new();
    private readonly LeaseTable _table = new();
    private TaskCompletionSource? _idle;
    private long _freeCredit;
    private bool _closedToNewcomers;
    private bool _creditStopped;

    /// <summary>How many stand in the ring, those included that have closed and not been passed yet.</summary>
    public int RingCount
    {
        get
        {
            lock (_gate)
            {
                return _ring.Count;
            }
        }
    }

    /// <summary>How many deliveries may be leased now.</summary>
    public long FreeCredit
    {
        get
        {
            lock (_gate)
            {
                return _creditStopped ? 0 : _freeCredit;
            }
        }
    }

    /// <summary>How many deliveries are with consumers.</summary>
    public int OpenCount
    {
        get
        {
            lock (_gate)
            {
                return _table.Count;
            }
        }
    }

    /// <summary>Admits a consumer with its credit. False when the lane takes nobody any more.</summary>
    public bool TryJoin(DispatchConsumer consumer, int credit)
    {
        lock (_gate)
        {
            if (_closedToNewcomers)
            {
                return false;
            }

            _consumers.Add(consumer);
            consumer.Window = credit;
            ChangeFreeLocked(consumer, credit);
            return true;
        }
    }

    /// <summary>Takes a consumer out. True when it was the last one: the lane then takes nobody any more.</summary>
    public bool Leave(DispatchConsumer consumer)
    {
        lock (_gate)
        {
            var last = _consumers.Remove(consumer) && _consumers.Count == 0;
            _closedToNewcomers |= last;
            TrimRingLocked();
            return last;
        }
    }

    /// <summary>Takes nobody any more. Returns who is there.</summary>
    public DispatchConsumer[] CloseToNewcomers()
    {
        lock (_gate)
        {
            _closedToNewcomers = true;
            return [.. _consumers];
        }
    }

    /// <summary>Ends leasing for good; returns a task that ends when no delivery is with a consumer.</summary>
    public Task StopLeasing()
    {
        lock (_gate)
        {
            _creditStopped = true;
            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            SignalIdleLocked();
            return _idle.Task;
        }
    }

    /// <summary>Sets the window of a consumer. Returns the change of the lane's free credit.</summary>
    public long SetWindow(DispatchConsumer consumer, int credit)
    {
        lock (_gate)
        {
            var delta = credit - consumer.Window;
            consumer.Window = credit;
            return consumer.IsClosed ? 0 : ChangeFreeLocked(consumer, delta);
        }
    }

    /// <summary>Gives credit back to a consumer. Returns the change of the lane's free credit.</summary>
    public long AddCredit(DispatchConsumer consumer, int credit)
    {
        lock (_gate)
        {
            return consumer.IsClosed ? 0 : ChangeFreeLocked(consumer, Math.Min(credit, DispatchConsumer.MaxCredit - consumer.FreeCredit));
        }
    }

    /// <summary>The consumer whose turn it is, and its fair share of what is left of a batch. It is out of the ring until <see cref="Assign"/>.</summary>
    public bool TryTakeTurn(int remaining, out DispatchConsumer consumer, out int share)
    {
        lock (_gate)
        {
            while (_ring.TryDequeue(out consumer!))
            {
                consumer.InRing = false;
                if (consumer.FreeCredit > 0 && !consumer.IsClosed)
                {
                    // Rounded up over those who can take something, it and the rest of the ring: with few messages one each, with many equal runs.
                    share = (remaining + _ring.Count) / (_ring.Count + 1);
                    return true;
                }
            }

            share = 0;
            return false;
        }
    }

    /// <summary>Books the head of <paramref name="batch"/> to a consumer, as far as its credit goes, and puts it back into the ring. Returns how many.</summary>
    public int Assign(DispatchConsumer consumer, ReceiverSession session, ReadOnlySpan<Delivery> batch, long basis)
    {
        lock (_gate)
        {
            if (consumer.IsClosed)
            {
                return 0;
            }

            // Its credit may have been taken back since its turn came; it is out of the ring then, until it has some again.
            var count = Math.Min(batch.Length, Math.Max(0, consumer.FreeCredit));
            if (count == 0)
            {
                return 0;
            }

            for (var i = 0; i < count && !settleOnLease; i++)
            {
                if (!_table.TryAdd(batch[i].Token, consumer, session, basis))
                {
                    throw new InvalidOperationException($"The store gave out the lease token {batch[i].Token} twice; tokens must be unique to one lease of one message.");
                }
            }

            ChangeFreeLocked(consumer, -count);
            consumer.CallbacksRunning++;
            return count;
        }
    }

    /// <summary>A callback into a consumer begins, outside <see cref="Assign"/>. False when it is closed.</summary>
    public bool TryEnterCallback(DispatchConsumer consumer)
    {
        lock (_gate)
        {
            if (consumer.IsClosed)
            {
                return false;
            }

            consumer.CallbacksRunning++;
            return true;
        }
    }

    /// <summary>A callback into a consumer has ended.</summary>
    public void LeaveCallback(DispatchConsumer consumer)
    {
        TaskCompletionSource? quiet = null;
        lock (_gate)
        {
            if (--consumer.CallbacksRunning == 0)
            {
                quiet = consumer.Quiet;
            }
        }

        quiet?.TrySetResult();
    }

    /// <summary>
    /// Closes a consumer: nothing more is booked to it. Returns the change of the lane's free credit, and a task that ends when no callback into it runs; null when it was closed before.
    /// </summary>
    public (long Change, Task Quiet)? Close(DispatchConsumer consumer)
    {
        lock (_gate)
        {
            if (consumer.IsClosed)
            {
                return null;
            }

            var change = -Math.Max(0, consumer.FreeCredit);
            _freeCredit += change;
            consumer.IsClosed = true;
            if (consumer.CallbacksRunning == 0)
            {
                return (change, Task.CompletedTask);
            }

            consumer.Quiet = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return (change, consumer.Quiet.Task);
        }
    }

    /// <summary>The settlements that give a closed consumer's share back, in order. What is being settled is left to its settlement.</summary>
    public Settlement[] TakeShare(DispatchConsumer consumer, ReadOnlySpan<LeaseToken> handled)
    {
        var counted = new HashSet<LeaseToken>(handled.Length);
        foreach (var token in handled)
        {
            counted.Add(token);
        }

        var share = new List<Settlement>();
        lock (_gate)
        {
            foreach (var token in _table.TokensOf(consumer))
            {
                ref var slot = ref _table.Find(token);
                if (slot.State == LeaseState.Lost)
                {
                    _table.Remove(token);
                }
                else if (slot.State == LeaseState.Open)
                {
                    slot.State = LeaseState.Returning;
                    share.Add(Settlement.Release(token, countAttempt: counted.Contains(token)));
                }
            }

            SignalIdleLocked();
        }

        return [.. share];
    }

    /// <summary>A settlement goes to the store. False when every delivery in it is a lost one, so that the store need not be asked.</summary>
    public bool BeginSettle(DispatchConsumer consumer, ReadOnlySpan<Settlement> batch)
    {
        var ask = false;
        lock (_gate)
        {
            foreach (ref readonly var settlement in batch)
            {
                ref var slot = ref _table.Find(settlement.Token);
                if (Unsafe.IsNullRef(ref slot) || slot.Owner != consumer || slot.State != LeaseState.Lost)
                {
                    ask = true;
                }

                if (!Unsafe.IsNullRef(ref slot) && slot.Owner == consumer && slot.State == LeaseState.Open)
                {
                    slot.State = LeaseState.Settling;
                }
            }
        }

        return ask;
    }

    /// <summary>The store has answered: the deliveries are gone, and their credit comes back. Returns the change of the lane's free credit.</summary>
    public long EndSettle(DispatchConsumer consumer, ReadOnlySpan<Settlement> batch)
    {
        lock (_gate)
        {
            var returned = 0;
            foreach (ref readonly var settlement in batch)
            {
                ref var slot = ref _table.Find(settlement.Token);
                if (!Unsafe.IsNullRef(ref slot) && slot.Owner == consumer && slot.State is LeaseState.Settling or LeaseState.Lost)
                {
                    _table.Remove(settlement.Token);
                    returned++;
                }
            }

            SignalIdleLocked();
            return consumer.IsClosed ? 0 : ChangeFreeLocked(consumer, returned);
        }
    }

    /// <summary>
    /// The store has failed: the deliveries are open again. Returns those that must be given back because their consumer has gone meanwhile; <paramref name="lost"/> gets
    /// those whose lease ended meanwhile.
    /// </summary>
    public Settlement[] AbortSettle(DispatchConsumer consumer, ReadOnlySpan<Settlement> batch, List<LeaseToken> lost)
    {
        List<Settlement> orphans = [];
        lock (_gate)
        {
            foreach (ref readonly var settlement in batch)
            {
                ref var slot = ref _table.Find(settlement.Token);
                if (Unsafe.IsNullRef(ref slot) || slot.Owner != consumer)
                {
                    continue;
                }

                if (slot.State == LeaseState.Lost && consumer.IsClosed)
                {
                    _table.Remove(settlement.Token);
                }
                else if (slot.State == LeaseState.Lost && !slot.Announced)
                {
                    slot.Announced = true;
                    lost.Add(settlement.Token);
                }
                else if (slot.State == LeaseState.Settling)
                {
                    slot.State = consumer.IsClosed ? LeaseState.Returning : LeaseState.Open;
                    if (consumer.IsClosed)
                    {
                        orphans.Add(Settlement.Release(settlement.Token));
                    }
                }
            }

            SignalIdleLocked();
        }

        return [.. orphans];
    }

    /// <summary>
    /// A transaction over deliveries of any consumers goes to the store. Returns whose they are, for <see cref="EndSettle"/> or <see cref="AbortSettle"/>; those that are
    /// known to be lost go to <paramref name="lost"/> instead, and what is in no table, or with another settlement already, is left to the store.
    /// </summary>
    public Dictionary<DispatchConsumer, List<Settlement>> Claim(List<Settlement> settlements, List<LeaseToken> lost)
    {
        var shares = new Dictionary<DispatchConsumer, List<Settlement>>();
        lock (_gate)
        {
            foreach (var settlement in settlements)
            {
                ref var slot = ref _table.Find(settlement.Token);
                if (Unsafe.IsNullRef(ref slot))
                {
                    continue;
                }

                if (slot.State == LeaseState.Lost)
                {
                    lost.Add(settlement.Token);
                }
                else if (slot.State == LeaseState.Open)
                {
                    slot.State = LeaseState.Settling;
                    ref var share = ref CollectionsMarshal.GetValueRefOrAddDefault(shares, slot.Owner, out _);
                    (share ??= []).Add(settlement);
                }
            }
        }

        return shares;
    }

    /// <summary>Deliveries are back with the store.</summary>
    public void EndReturn(ReadOnlySpan<Settlement> batch)
    {
        lock (_gate)
        {
            foreach (ref readonly var settlement in batch)
            {
                ref var slot = ref _table.Find(settlement.Token);
                if (!Unsafe.IsNullRef(ref slot) && slot.State == LeaseState.Returning)
                {
                    _table.Remove(settlement.Token);
                }
            }

            SignalIdleLocked();
        }
    }

    private long ChangeFreeLocked(DispatchConsumer consumer, int delta)
    {
        var before = Math.Max(0, consumer.FreeCredit);
        consumer.FreeCredit += delta;
        var after = Math.Max(0, consumer.FreeCredit);
        _freeCredit += after - before;
        if (after > 0 && !consumer.InRing)
        {
            consumer.InRing = true;
            _ring.Enqueue(consumer);
        }

        return after - before;
    }

    /// <summary>Takes the closed ones out of the ring once they are the most of it: without messages no turn comes to pass them.</summary>
    private void TrimRingLocked()
    {
        if (_ring.Count <= (2 * _consumers.Count) + 16)
        {
            return;
        }

        for (var left = _ring.Count; left > 0; left--)
        {
            if (_ring.Dequeue() is { IsClosed: false } open)
            {
                _ring.Enqueue(open);
            }
        }
    }

    private void SignalIdleLocked()
    {
        // Continuations run asynchronously, so nothing is called under the gate.
        if (_idle is not null && _table.Count == 0)
        {
            _idle.TrySetResult();
        }
    }
}
