using System.Runtime.CompilerServices;
using Millrace.Storage;

namespace Millrace.Queues;

/// <content>How long leases last: renewal, loss, and what a session still has open.</content>
internal sealed partial class DispatchLedger
{
    /// <summary>What a renewal of a session that is asked for now will cover: everything up to this number. Zero when nothing is open.</summary>
    public long BeginRenewal(ReceiverSession session)
    {
        lock (_gate)
        {
            return session.OpenCount == 0 ? 0 : _table.LastSerial;
        }
    }

    /// <summary>A renewal has succeeded: what it covered holds from <paramref name="basis"/>, except <paramref name="refused"/>. Fills <paramref name="lost"/> with whom to tell.</summary>
    public void EndRenewal(ReceiverSession session, long upToSerial, long basis, IReadOnlyList<LeaseToken> refused, List<LostLease> lost)
    {
        lock (_gate)
        {
            foreach (ref var slot in _table.Slots)
            {
                if (slot.Owner is not null && slot.Session == session && slot.Serial <= upToSerial && slot.Basis < basis)
                {
                    slot.Basis = basis;
                }
            }

            foreach (var token in refused)
            {
                ref var slot = ref _table.Find(token);
                if (!Unsafe.IsNullRef(ref slot))
                {
                    LoseLocked(ref slot, lost);
                }
            }

            SignalIdleLocked();
        }
    }

    /// <summary>
    /// Deliveries whose lease may have ended, because nobody renewed it since <paramref name="oldestBasis"/>, count as lost. Fills <paramref name="lost"/> with whom to tell and
    /// <paramref name="expired"/> with what the store may still hold for this process.
    /// </summary>
    public void Expire(ReceiverSession session, long oldestBasis, List<LostLease> lost, List<Settlement> expired)
    {
        lock (_gate)
        {
            foreach (ref var slot in _table.Slots)
            {
                if (slot.Owner is not null && slot.Session == session && slot.Basis <= oldestBasis && slot.State is LeaseState.Open or LeaseState.Settling)
                {
                    expired.Add(Settlement.Release(slot.Token));
                    LoseLocked(ref slot, lost);
                }
            }
        }
    }

    /// <summary>The oldest basis of a session's open deliveries; null when there are none.</summary>
    public long? OldestBasis(ReceiverSession session)
    {
        lock (_gate)
        {
            if (session.OpenCount == 0)
            {
                return null;
            }

            long? oldest = null;
            foreach (ref var slot in _table.Slots)
            {
                if (slot.Owner is not null && slot.Session == session && slot.State is LeaseState.Open or LeaseState.Settling && !(oldest <= slot.Basis))
                {
                    oldest = slot.Basis;
                }
            }

            return oldest;
        }
    }

    /// <summary>Whether a session has deliveries that are not settled.</summary>
    public bool IsBusy(ReceiverSession session)
    {
        lock (_gate)
        {
            return session.OpenCount > 0;
        }
    }

    private void LoseLocked(ref LeaseTable.Slot slot, List<LostLease> lost)
    {
        var before = slot.State;
        if (!LeaseTable.MarkLost(ref slot))
        {
            return;
        }

        if (before == LeaseState.Returning)
        {
            _table.Remove(slot.Token);
        }
        else if (before == LeaseState.Open)
        {
            // One that is being settled hears of it from its settlement, or from AbortSettle.
            slot.Announced = true;
            lost.Add(new LostLease(slot.Owner, slot.Token));
        }
    }
}

/// <summary>A lease that was lost, and the consumer who had it.</summary>
internal readonly record struct LostLease(DispatchConsumer Consumer, LeaseToken Token);
