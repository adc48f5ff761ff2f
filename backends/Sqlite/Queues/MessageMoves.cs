namespace Millrace.Sqlite.Queues;

/// <summary>The moves of docs/delivery.md, each for one message. The caller has taken the message out of its place or its lease.</summary>
internal sealed class MessageMoves
{
    private readonly Catalog _catalog;
    private readonly MessageTable _messages;
    private readonly PlaceTable _places;
    private readonly IdWindow _ids;
    private readonly StoreCounters _counters;

    public MessageMoves(Catalog catalog, MessageTable messages, PlaceTable places, IdWindow ids, StoreCounters counters) =>
        (_catalog, _messages, _places, _ids, _counters) = (catalog, messages, places, ids, counters);

    /// <summary>The message is gone from its queue: completed, dropped, removed or purged.</summary>
    public void Discard(QueueRow queue, StoredMessage m, long now)
    {
        _catalog.Changed(queue);
        queue.Bytes -= m.BodyLength;
        _messages.Delete(m.Number);
        _places.LeaveLine(queue, m);
        if (!m.SenderId.IsEmpty)
        {
            _ids.Settle(queue, m.SenderId, m.Number, now);
        }
    }

    /// <summary>A delivery has ended without the message being done with: it is ready again in its place, unless it has used up its attempts or its time.</summary>
    /// <param name="queue">Its queue.</param>
    /// <param name="m">The message, with the attempts that count.</param>
    /// <param name="delay">Zero: at once, in its place.</param>
    /// <param name="now">Wall ticks.</param>
    public void Return(QueueRow queue, StoredMessage m, TimeSpan delay, long now)
    {
        _catalog.Changed(queue);
        if (!queue.IsDeadLetterQueue && m.Attempts >= queue.Settings.MaxDeliveries)
        {
            DeadLetter(queue, m, DeadLetterInfo.MaxDeliveriesReason, m.Error, m.Attempts, now);
            return;
        }

        if (m.Expires <= now)
        {
            Expire(queue, m, now);
            return;
        }

        _messages.UpdateReturned(m);
        if (delay > TimeSpan.Zero)
        {
            m.Due = Engine.StoreClock.After(now, delay);
            _messages.UpdatePlace(m);
            _places.AddScheduled(queue, m.Due.Value, m.Number);
        }
        else
        {
            _places.AddReady(queue, PlaceTable.Leasable, m.Rank, m.Number);
        }

        if (m.Expires is { } expires)
        {
            _places.AddExpiring(queue, expires, m.Number);
        }
    }

    /// <summary>A scheduled message has become due: it gets its sequence, and a keyed one its place in line if it has none.</summary>
    public void BecomeReady(QueueRow queue, StoredMessage m)
    {
        _catalog.Changed(queue);
        var sequence = _counters.NextSequence();
        m.Rank = StoredMessage.RankOf(StoredMessage.PriorityOf(m.Rank), sequence);
        m.Due = null;

        // Waiting for a delayed release it has kept the head of its line; sent with a delay it joins the end now.
        var lane = PlaceTable.Leasable;
        if (m.Key is not null && m.Position is null)
        {
            m.Position = sequence;
            lane = _places.JoinLine(queue, m.Key, sequence, m.Number);
        }

        _messages.UpdatePlace(m);
        _places.AddReady(queue, lane, m.Rank, m.Number);
        if (m.Expires is { } expires)
        {
            _places.AddExpiring(queue, expires, m.Number);
        }
    }

    /// <summary>Puts a message among the scheduled ones, out of its line.</summary>
    public void Schedule(QueueRow queue, StoredMessage m, long due)
    {
        _catalog.Changed(queue);
        _places.LeaveLine(queue, m);
        m.Due = due;
        _messages.UpdatePlace(m);
        _places.AddScheduled(queue, due, m.Number);
        if (m.Expires is { } expires)
        {
            _places.AddExpiring(queue, expires, m.Number);
        }
    }

    /// <summary>The message's time is over.</summary>
    public void Expire(QueueRow queue, StoredMessage m, long now)
    {
        queue.Expired++;
        if (queue.Settings.DeadLetterExpired && !queue.IsDeadLetterQueue)
        {
            DeadLetter(queue, m, DeadLetterInfo.ExpiredReason, m.Error, m.Attempts, now);
        }
        else
        {
            Discard(queue, m, now);
        }
    }

    /// <summary>Moves a message to the end of the dead-letter queue.</summary>
    public void DeadLetter(QueueRow queue, StoredMessage m, string reason, string? error, int attempts, long now)
    {
        m.Error = error;
        m.Attempts = 0;
        m.Expires = null;
        if (!queue.IsDeadLetterQueue)
        {
            queue.DeadLettered++;
        }

        var dead = Move(queue, m, _catalog.DeadLetterQueueOf(queue), now, out var lane);
        _messages.UpdateDead(m, reason, attempts, now);
        _places.AddReady(dead, lane, m.Rank, m.Number);
    }

    /// <summary>Moves a dead letter back to the queue that it died in.</summary>
    public void Redrive(QueueRow dead, StoredMessage m, long now)
    {
        m.Error = null;
        m.Attempts = 0;
        var queue = Move(dead, m, _catalog.SourceOf(dead), now, out var lane);
        _messages.UpdateRedriven(m);
        _places.AddReady(queue, lane, m.Rank, m.Number);
    }

    /// <summary>Takes a message from one queue to the end of another, with the bytes and the id that it brings.</summary>
    private QueueRow Move(QueueRow from, StoredMessage m, QueueRow to, long now, out int lane)
    {
        _catalog.Changed(from);
        _catalog.Changed(to);
        from.Bytes -= m.BodyLength;
        to.Bytes += m.BodyLength;
        _places.LeaveLine(from, m);
        if (!m.SenderId.IsEmpty && from != to)
        {
            _ids.Settle(from, m.SenderId, m.Number, now);
            _ids.Add(to.Id, m.SenderId, m.Number);
        }

        var sequence = _counters.NextSequence();
        m.Queue = to.Id;
        m.Due = null;
        m.Rank = StoredMessage.RankOf(StoredMessage.PriorityOf(m.Rank), sequence);
        lane = PlaceTable.Leasable;
        if (m.Key is not null)
        {
            m.Position = sequence;
            lane = _places.JoinLine(to, m.Key, sequence, m.Number);
        }

        return to;
    }
}
