using Millrace.Storage;

namespace Millrace.Sqlite.Queues;

/// <summary>Settles deliveries, prolongs leases and gives them back.</summary>
internal sealed class Settler
{
    private readonly Ledger _ledger;
    private readonly TimeSpan _maxDelay;

    /// <summary>The settlements of a ledger.</summary>
    /// <param name="ledger">The ledger.</param>
    /// <param name="maxDelay">The longest delay of a release; a longer one is cut to it, as the delivery must be settled.</param>
    public Settler(Ledger ledger, TimeSpan maxDelay) => (_ledger, _maxDelay) = (ledger, maxDelay);

    /// <summary>Where in its lease a token points.</summary>
    public static int IndexOf(LeaseToken token) => (int)(token.Low >> 48);

    /// <summary>Settles one delivery.</summary>
    /// <param name="queue">The queue, brought to now.</param>
    /// <param name="settlement">What to do.</param>
    public SettleResult Settle(QueueRow queue, in Settlement settlement)
    {
        var token = settlement.Token;
        var index = IndexOf(token);
        var lease = _ledger.Leases.Find(queue.Id, (long)token.High);
        if (lease is null
            || index >= lease.Entries.Length
            || lease.Entries[index].Number != (long)(token.Low & ((1UL << 48) - 1))
            || !lease.IsOpen(index)
            || lease.Deadline <= _ledger.Monotonic)
        {
            return SettleResult.LeaseLost;
        }

        lease.Close(index);
        _ledger.Leases.Changed(lease);
        _ledger.Catalog.Changed(queue);
        if (settlement.Kind == SettlementKind.Complete)
        {
            Complete(queue, lease.Entries[index]);
            return SettleResult.Settled;
        }

        queue.Leased--;
        var message = _ledger.Messages.Require(lease.Entries[index].Number);
        message.WasDelivered = true;
        message.Attempts += settlement.Uncounted ? 0 : 1;
        message.Error = settlement.Error ?? message.Error;
        if (settlement.Kind == SettlementKind.Release)
        {
            _ledger.Moves.Return(queue, message, settlement.Delay < _maxDelay ? settlement.Delay : _maxDelay, _ledger.Wall);
        }
        else
        {
            _ledger.Moves.DeadLetter(queue, message, settlement.Reason!, settlement.Error ?? message.Error, message.Attempts, _ledger.Wall);
        }

        return SettleResult.Settled;
    }

    /// <summary>A leased message has been handled. A plain one costs a part of one range delete.</summary>
    public void Complete(QueueRow queue, LeaseEntry entry)
    {
        queue.Leased--;
        queue.Completed++;
        if ((entry.Flags & (MessageFlags.Key | MessageFlags.Id)) == 0)
        {
            queue.Bytes -= entry.BodyLength;
            _ledger.Messages.Delete(entry.Number);
        }
        else
        {
            _ledger.Moves.Discard(queue, _ledger.Messages.Require(entry.Number), _ledger.Wall);
        }
    }

    /// <summary>Prolongs a lease.</summary>
    /// <returns>False when it has ended.</returns>
    public bool Renew(QueueRow queue, long leaseId, TimeSpan duration)
    {
        if (_ledger.Leases.Find(queue.Id, leaseId) is not { } lease || lease.Deadline <= _ledger.Monotonic)
        {
            return false;
        }

        lease.Deadline = Engine.StoreClock.After(_ledger.Monotonic, duration);
        _ledger.Leases.Changed(lease);
        queue.ExpectLeaseEnd(lease.Deadline);
        _ledger.Catalog.Changed(queue);
        return true;
    }

    /// <summary>Gives back what is open of a lease, without counting an attempt.</summary>
    public void GiveBack(QueueRow queue, long leaseId)
    {
        if (_ledger.Leases.Find(queue.Id, leaseId) is { } lease && lease.Deadline > _ledger.Monotonic)
        {
            _ledger.Calendar.End(queue, lease, countAttempt: false, _ledger.Wall);
        }
    }
}
