using System.Security.Cryptography;
using Millrace.Sqlite.Engine;
using Millrace.Storage;

namespace Millrace.Sqlite.Queues;

/// <summary>Leases messages. A lease writes one row and deletes one range, however many messages it takes; the messages themselves are only read.</summary>
internal sealed class Dispenser
{
    // Bodies are read into memory inside the commit. A receiver asks for as many messages as its consumers have credit for, whatever their size: 256 bodies of 32 MiB would
    // be 8 GiB at once, and hold every other operation up. The bound leaves batches of 256 whole up to bodies of 32 KiB, where a commit's own cost is long shared out.
    private const long MaxLeaseBytes = 8 * 1024 * 1024;

    private readonly Ledger _ledger;
    private readonly Statement _next;
    private readonly Statement _one;
    private readonly List<LeaseEntry> _entries = [];
    private readonly List<long> _expired = [];
    private readonly ulong _tokenKey = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) | 1;

    public Dispenser(Ledger ledger, Connection connection, string t)
    {
        _ledger = ledger;

        // CROSS JOIN fixes the order of the loops: the ready table leads, so that rows come in its order and reading stops at the limit.
        _next = connection.Prepare(
            $"SELECT {MessageReader.Columns}, r.rank FROM {t}ready r CROSS JOIN {t}message m ON m.number = r.number WHERE r.queue = ?1 AND r.lane = 0 ORDER BY r.rank LIMIT ?2");
        _one = connection.Prepare($"SELECT {MessageReader.Columns} FROM {t}message m WHERE m.number = ?1");
    }

    /// <summary>One message as users see it.</summary>
    public Message? Find(long number)
    {
        if (!_one.Bind(1, number).Step())
        {
            return null;
        }

        var message = MessageReader.Read(_one, _ledger.Counters.Salt);
        _one.Reset();
        return message;
    }

    /// <summary>Leases what is ready.</summary>
    /// <param name="queue">The queue, brought to now.</param>
    /// <param name="into">Where the deliveries go.</param>
    /// <param name="owner">The leasing store.</param>
    /// <param name="options">The receiver's options.</param>
    /// <param name="lease">The lease; null when nothing was ready or deliveries are settled already.</param>
    /// <returns>How many.</returns>
    public int Lease(QueueRow queue, Span<Delivery> into, long owner, ReceiverOptions options, out LeaseRow? lease)
    {
        lease = null;
        if (queue.Ready == 0)
        {
            return 0;
        }

        var leaseId = options.SettleOnLease ? 0 : NewLeaseId();
        var count = Read(queue, into[..Math.Min(into.Length, LeaseRow.MaxEntries)], leaseId, out var lastRank);
        if (count + _expired.Count == 0)
        {
            return 0;
        }

        _ledger.Catalog.Changed(queue);
        _ledger.Places.RemoveReadyUpTo(queue, lastRank, count + _expired.Count);
        foreach (var number in _expired)
        {
            var message = _ledger.Messages.Require(number);
            _ledger.Places.RemoveExpiring(queue, message.Expires, number);
            _ledger.Moves.Expire(queue, message, _ledger.Wall);
        }

        if (count == 0)
        {
            return 0;
        }

        foreach (var entry in _entries)
        {
            if ((entry.Flags & MessageFlags.Expires) != 0)
            {
                _ledger.Places.RemoveExpiring(queue, _ledger.Messages.Require(entry.Number).Expires, entry.Number);
            }
        }

        queue.Leased += count;
        if (options.SettleOnLease)
        {
            foreach (var entry in _entries)
            {
                _ledger.Settler.Complete(queue, entry);
            }
        }
        else
        {
            lease = AddLease(queue, leaseId, owner, options.LeaseDuration);
        }

        return count;
    }

    private int Read(QueueRow queue, Span<Delivery> into, long leaseId, out long lastRank)
    {
        _entries.Clear();
        _expired.Clear();
        lastRank = 0;
        var bytes = 0L;
        var salt = _ledger.Counters.Salt;
        _next.Bind(1, queue.Id).Bind(2, into.Length);
        while (_next.Step())
        {
            lastRank = _next.Int64(MessageReader.Rank);
            var number = _next.Int64(MessageReader.Number);
            var flags = (MessageFlags)_next.Int32(MessageReader.Flags);
            if ((flags & MessageFlags.Expires) != 0 && _next.Int64(MessageReader.Expires) <= _ledger.Wall)
            {
                _expired.Add(number);
                continue;
            }

            var tries = _next.Int64(MessageReader.Tries);
            var message = MessageReader.Read(_next, salt);
            into[_entries.Count] = new Delivery
            {
                Message = message,
                Token = leaseId == 0 ? default : new LeaseToken((ulong)leaseId, ((ulong)_entries.Count << 48) | (ulong)number),
                Attempt = (int)(tries >> 1) + 1,
                Redelivered = (tries & 1) != 0,
            };
            _entries.Add(new LeaseEntry(number, message.Body.Length, flags));
            bytes += message.Body.Length;
            if (bytes >= MaxLeaseBytes)
            {
                _next.Reset();
                break;
            }
        }

        return _entries.Count;
    }

    private LeaseRow AddLease(QueueRow queue, long leaseId, long owner, TimeSpan duration)
    {
        var lease = new LeaseRow
        {
            Queue = queue.Id,
            Id = leaseId,
            Owner = owner,
            Deadline = StoreClock.After(_ledger.Monotonic, duration),
            Entries = [.. _entries],
            Open = LeaseRow.AllOpen(_entries.Count),
            OpenCount = _entries.Count,
        };
        _ledger.Leases.Add(lease);
        queue.ExpectLeaseEnd(lease.Deadline);
        return lease;
    }

    // Rises, so that new leases go to the end of their table; ends in bits that look random, so that nobody hits upon a token by counting.
    private long NewLeaseId()
    {
        var sequence = _ledger.Counters.NextSequence();
        return (sequence << 16) | (long)(((ulong)sequence * _tokenKey) >> 48);
    }
}
