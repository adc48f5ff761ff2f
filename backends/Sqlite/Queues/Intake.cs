using System.Globalization;
using System.Runtime.InteropServices;
using Millrace.Sqlite.Engine;
using Millrace.Storage;

namespace Millrace.Sqlite.Queues;

/// <summary>Takes batches into queues. Refuses before it changes anything, so that a refusal needs no undoing.</summary>
internal sealed class Intake
{
    private readonly Ledger _ledger;
    private readonly QueueCapabilities _capabilities;
    private readonly HashSet<UInt128> _seen = [];
    private bool[] _isDuplicate = [];
    private long _plainFrom;
    private int _plainCount;

    public Intake(Ledger ledger, QueueCapabilities capabilities) => (_ledger, _capabilities) = (ledger, capabilities);

    /// <summary>Adds a batch to a queue, all or nothing.</summary>
    /// <param name="queue">The queue, brought to now.</param>
    /// <param name="batch">Envelopes that follow the rules.</param>
    /// <param name="results">As long as the batch, or empty.</param>
    /// <exception cref="QueueFullException">It does not fit; nothing was changed.</exception>
    public void Enqueue(QueueRow queue, ReadOnlySpan<Envelope> batch, Span<EnqueueResult> results)
    {
        // A fault in the middle of the last batch may have left something here.
        _plainCount = 0;

        // What became due before stands before what comes now, also when it is more than one go moves.
        while (queue.NextDue <= _ledger.Wall)
        {
            _ledger.Calendar.Advance(queue, _ledger.Wall, _ledger.Monotonic);
        }

        var duplicates = FindDuplicates(queue, batch);
        var bytes = 0L;
        for (var i = 0; i < batch.Length; i++)
        {
            bytes += _isDuplicate[i] ? 0 : batch[i].Body.Length;
        }

        MakeRoom(queue, batch.Length - duplicates, bytes);
        _ledger.Catalog.Changed(queue);
        queue.Duplicates += duplicates;
        queue.Enqueued += batch.Length - duplicates;
        queue.Bytes += bytes;
        for (var i = 0; i < batch.Length; i++)
        {
            var id = _isDuplicate[i] ? batch[i].Id : Insert(queue, in batch[i]);
            if (!results.IsEmpty)
            {
                results[i] = new EnqueueResult(id, _isDuplicate[i] ? EnqueueOutcome.Duplicate : EnqueueOutcome.Stored);
            }
        }

        FlushPlain(queue);
    }

    private int FindDuplicates(QueueRow queue, ReadOnlySpan<Envelope> batch)
    {
        if (_isDuplicate.Length < batch.Length)
        {
            _isDuplicate = new bool[Math.Max(batch.Length, 256)];
        }

        _isDuplicate.AsSpan(0, batch.Length).Clear();
        _seen.Clear();
        var count = 0;
        Span<byte> hash = stackalloc byte[IdWindow.HashBytes];
        for (var i = 0; i < batch.Length; i++)
        {
            if (!batch[i].Id.IsEmpty)
            {
                IdWindow.Hash(batch[i].Id, hash);
                _isDuplicate[i] = !_seen.Add(MemoryMarshal.Read<UInt128>(hash)) || _ledger.Ids.IsTaken(queue, hash, _ledger.Wall);
                count += _isDuplicate[i] ? 1 : 0;
            }
        }

        return count;
    }

    private MessageId Insert(QueueRow queue, in Envelope envelope)
    {
        var now = _ledger.Wall;
        var number = _ledger.Counters.NextSequence();
        var rank = StoredMessage.RankOf(envelope.Priority, number);
        var flags = (envelope.Key is null ? 0 : MessageFlags.Key)
            | (envelope.Id.IsEmpty ? 0 : MessageFlags.Id)
            | (envelope.TimeToLive is null ? 0 : MessageFlags.Expires)
            | (envelope.ContentType is null && envelope.Headers is not { Count: > 0 } ? 0 : MessageFlags.Details);
        if (flags == 0 && envelope.Delay == TimeSpan.Zero)
        {
            _ledger.Messages.InsertPlain(number, queue.Id, rank, now, envelope.Body.Span);
            _plainFrom = _plainCount == 0 ? number : _plainFrom;
            _plainCount++;
        }
        else
        {
            FlushPlain(queue);
            InsertSpecial(queue, in envelope, number, rank, flags);
        }

        return envelope.Id.IsEmpty ? new MessageId(StoredId.Create(now, number, _ledger.Counters.Salt)) : envelope.Id;
    }

    /// <summary>Gives the run of plain messages that was just written its places. Their numbers follow each other: nothing else took one in between.</summary>
    private void FlushPlain(QueueRow queue)
    {
        if (_plainCount > 0)
        {
            _ledger.Places.AddReadyRange(queue, _plainFrom, _plainFrom + _plainCount - 1);
            _plainCount = 0;
        }
    }

    private void InsertSpecial(QueueRow queue, in Envelope envelope, long number, long rank, MessageFlags flags)
    {
        var now = _ledger.Wall;
        long? due = envelope.Delay > TimeSpan.Zero ? StoreClock.After(now, envelope.Delay) : null;
        long? expires = envelope.TimeToLive is { } timeToLive ? StoreClock.After(now, timeToLive) : null;
        long? position = envelope.Key is not null && due is null ? number : null;
        _ledger.Messages.Insert(number, queue.Id, rank, now, in envelope, flags, due, expires, position);
        if (due is { } dueAt)
        {
            _ledger.Places.AddScheduled(queue, dueAt, number);
        }
        else
        {
            var lane = position is null ? PlaceTable.Leasable : _ledger.Places.JoinLine(queue, envelope.Key!, number, number);
            _ledger.Places.AddReady(queue, lane, rank, number);
        }

        if (expires is { } expiresAt)
        {
            _ledger.Places.AddExpiring(queue, expiresAt, number);
        }

        if (!envelope.Id.IsEmpty)
        {
            _ledger.Ids.Add(queue.Id, envelope.Id, number);
        }
    }

    private void MakeRoom(QueueRow queue, int count, long bytes)
    {
        var maxLength = queue.Settings.MaxLength;
        var maxBytes = queue.Settings.MaxBytes ?? _capabilities.DefaultMaxBytes;
        var excessLength = queue.Length + count - maxLength;
        var excessBytes = queue.Bytes + bytes - maxBytes;
        if ((excessLength <= 0 && excessBytes <= 0) || count == 0)
        {
            return;
        }

        var victims = queue.Settings.Overflow == QueueOverflow.DropOldest ? FindVictims(queue, excessLength, excessBytes) : null;
        if (victims is null)
        {
            throw new QueueFullException(
                queue.Name,
                string.Create(CultureInfo.InvariantCulture, $"{(excessLength > 0 ? "maxLength " : "maxBytes ")}{(excessLength > 0 ? maxLength : maxBytes)}"));
        }

        foreach (var number in victims)
        {
            var message = _ledger.Messages.Require(number);
            _ledger.Places.Remove(queue, message);
            _ledger.Moves.Discard(queue, message, _ledger.Wall);
            queue.Dropped++;
        }
    }

    /// <summary>The ready messages that must go, the oldest of the lowest priority first; null when all of them together are not enough.</summary>
    private List<long>? FindVictims(QueueRow queue, long excessLength, long excessBytes)
    {
        if (excessLength > queue.Ready || _ledger.Places.LowestRank(queue) is not { } lowest)
        {
            return null;
        }

        var victims = new List<long>();
        for (var priority = StoredMessage.PriorityOf(lowest); priority <= MessagePriority.Highest; priority++)
        {
            foreach (var number in new ReadyCursor(_ledger.Places, queue, StoredMessage.RankOf(priority, 0) - 1, StoredMessage.RankOf(priority - 1, 0)).Numbers())
            {
                victims.Add(number);
                excessLength--;
                excessBytes -= excessBytes > 0 ? _ledger.Messages.Require(number).BodyLength : 0;
                if (excessLength <= 0 && excessBytes <= 0)
                {
                    return victims;
                }
            }
        }

        return null;
    }
}
