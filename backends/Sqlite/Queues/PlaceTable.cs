using Millrace.Sqlite.Engine;

namespace Millrace.Sqlite.Queues;

/// <summary>Where messages stand: ready, scheduled, expiring, and in the lines of keys. Keeps the counts of the queue rows.</summary>
internal sealed class PlaceTable
{
    /// <summary>Ready messages that can be leased.</summary>
    public const int Leasable = 0;

    /// <summary>Ready messages that wait for their key.</summary>
    public const int Blocked = 1;

    private readonly Statement _insertReady;
    private readonly Statement _insertReadyRange;
    private readonly Statement _deleteReady;
    private readonly Statement _deleteReadyUpTo;
    private readonly Statement _unblock;
    private readonly Statement _hasReady;
    private readonly Statement _listReady;
    private readonly Statement _lowestReady;
    private readonly Statement _insertScheduled;
    private readonly Statement _deleteScheduled;
    private readonly Statement _listDue;
    private readonly Statement _nextDue;
    private readonly Statement _insertExpiring;
    private readonly Statement _deleteExpiring;
    private readonly Statement _listExpired;
    private readonly Statement _nextExpiry;
    private readonly Statement _insertLine;
    private readonly Statement _deleteLine;
    private readonly Statement _headOfLine;

    public PlaceTable(Connection connection, string t)
    {
        _insertReady = connection.Prepare($"INSERT INTO {t}ready (queue, lane, rank, number) VALUES (?1, ?2, ?3, ?4)");
        _insertReadyRange = connection.Prepare(
            $"INSERT INTO {t}ready (queue, lane, rank, number) SELECT queue, 0, rank, number FROM {t}message WHERE number BETWEEN ?1 AND ?2");
        _deleteReady = connection.Prepare($"DELETE FROM {t}ready WHERE queue = ?1 AND lane IN (0, 1) AND rank = ?2");
        _deleteReadyUpTo = connection.Prepare($"DELETE FROM {t}ready WHERE queue = ?1 AND lane = 0 AND rank <= ?2");
        _unblock = connection.Prepare(
            $"UPDATE {t}ready SET lane = 0 WHERE queue = ?1 AND lane = 1 AND rank = (SELECT rank FROM {t}message WHERE number = ?2)");
        _hasReady = connection.Prepare($"SELECT lane FROM {t}ready WHERE queue = ?1 AND lane IN (0, 1) AND rank = ?2");
        _listReady = connection.Prepare($"SELECT rank, number FROM {t}ready WHERE queue = ?1 AND lane = ?2 AND rank > ?3 ORDER BY rank LIMIT ?4");
        _lowestReady = connection.Prepare($"SELECT rank FROM {t}ready WHERE queue = ?1 AND lane = ?2 ORDER BY rank DESC LIMIT 1");
        _insertScheduled = connection.Prepare($"INSERT INTO {t}scheduled (queue, due, number) VALUES (?1, ?2, ?3)");
        _deleteScheduled = connection.Prepare($"DELETE FROM {t}scheduled WHERE queue = ?1 AND due = ?2 AND number = ?3");
        _listDue = connection.Prepare($"SELECT due, number FROM {t}scheduled WHERE queue = ?1 AND due <= ?2 ORDER BY due, number LIMIT ?3");
        _nextDue = connection.Prepare($"SELECT due FROM {t}scheduled WHERE queue = ?1 ORDER BY due LIMIT 1");
        _insertExpiring = connection.Prepare($"INSERT INTO {t}expiring (queue, expires, number) VALUES (?1, ?2, ?3)");
        _deleteExpiring = connection.Prepare($"DELETE FROM {t}expiring WHERE queue = ?1 AND expires = ?2 AND number = ?3");
        _listExpired = connection.Prepare($"SELECT expires, number FROM {t}expiring WHERE queue = ?1 AND expires <= ?2 ORDER BY expires, number LIMIT ?3");
        _nextExpiry = connection.Prepare($"SELECT expires FROM {t}expiring WHERE queue = ?1 ORDER BY expires LIMIT 1");
        _insertLine = connection.Prepare($"INSERT INTO {t}line (queue, key, position, number) VALUES (?1, ?2, ?3, ?4)");
        _deleteLine = connection.Prepare($"DELETE FROM {t}line WHERE queue = ?1 AND key = ?2 AND position = ?3");
        _headOfLine = connection.Prepare($"SELECT number FROM {t}line WHERE queue = ?1 AND key = ?2 ORDER BY position LIMIT 1");
    }

    public void AddReady(QueueRow queue, int lane, long rank, long number)
    {
        _insertReady.Bind(1, queue.Id).Bind(2, lane).Bind(3, rank).Bind(4, number).Run();
        queue.Ready++;
        queue.Arrived += lane == Leasable ? 1 : 0;
    }

    /// <summary>Makes all messages of a range of numbers leasable: those of one batch, in one statement. Nothing else may have a number in the range.</summary>
    public void AddReadyRange(QueueRow queue, long from, long to)
    {
        _insertReadyRange.Bind(1, from).Bind(2, to).Run();
        queue.Ready += to - from + 1;
        queue.Arrived += (int)(to - from + 1);
    }

    public void AddScheduled(QueueRow queue, long due, long number)
    {
        _insertScheduled.Bind(1, queue.Id).Bind(2, due).Bind(3, number).Run();
        queue.Scheduled++;
        queue.ExpectDue(due);
    }

    public void AddExpiring(QueueRow queue, long expires, long number)
    {
        _insertExpiring.Bind(1, queue.Id).Bind(2, expires).Bind(3, number).Run();
        queue.ExpectExpiry(expires);
    }

    /// <summary>Takes a message from where it stands, if it is not leased.</summary>
    /// <returns>False when it stands nowhere: it is leased.</returns>
    public bool Remove(QueueRow queue, StoredMessage m)
    {
        if (m.Due is { } due)
        {
            _deleteScheduled.Bind(1, queue.Id).Bind(2, due).Bind(3, m.Number).Run();
            queue.Scheduled--;
        }
        else if (_deleteReady.Bind(1, queue.Id).Bind(2, m.Rank).Change() > 0)
        {
            queue.Ready--;
        }
        else
        {
            return false;
        }

        RemoveExpiring(queue, m.Expires, m.Number);
        return true;
    }

    public void RemoveExpiring(QueueRow queue, long? expires, long number)
    {
        if (expires is { } at)
        {
            _deleteExpiring.Bind(1, queue.Id).Bind(2, at).Bind(3, number).Run();
        }
    }

    /// <summary>Takes all leasable messages up to a rank, which the caller has counted.</summary>
    public void RemoveReadyUpTo(QueueRow queue, long rank, int count)
    {
        _deleteReadyUpTo.Bind(1, queue.Id).Bind(2, rank).Run();
        queue.Ready -= count;
    }

    public bool IsReady(QueueRow queue, long rank) => _hasReady.Bind(1, queue.Id).Bind(2, rank).Scalar() is not null;

    public List<(long Rank, long Number)> ListReady(QueueRow queue, int lane, long afterRank, int limit) =>
        Collect(_listReady.Bind(1, queue.Id).Bind(2, lane).Bind(3, afterRank).Bind(4, limit));

    /// <summary>Scheduled messages that are due at <paramref name="until"/>, in the order in which they became so.</summary>
    public List<(long Due, long Number)> ListDue(QueueRow queue, long until, int limit) =>
        Collect(_listDue.Bind(1, queue.Id).Bind(2, until).Bind(3, limit));

    public List<(long Expires, long Number)> ListExpired(QueueRow queue, long until, int limit) =>
        Collect(_listExpired.Bind(1, queue.Id).Bind(2, until).Bind(3, limit));

    /// <summary>The first due time; the end of time when nothing is scheduled.</summary>
    public long NextDue(QueueRow queue) => _nextDue.Bind(1, queue.Id).Scalar() ?? long.MaxValue;

    public long NextExpiry(QueueRow queue) => _nextExpiry.Bind(1, queue.Id).Scalar() ?? long.MaxValue;

    /// <summary>The greatest rank among ready messages: it tells the lowest priority.</summary>
    public long? LowestRank(QueueRow queue)
    {
        var leasable = _lowestReady.Bind(1, queue.Id).Bind(2, Leasable).Scalar();
        var blocked = _lowestReady.Bind(1, queue.Id).Bind(2, Blocked).Scalar();
        return leasable is null ? blocked : blocked is null ? leasable : Math.Max(leasable.Value, blocked.Value);
    }

    /// <summary>Puts a message at the end of its key's line.</summary>
    /// <returns>The lane in which it is ready: leasable if it is the head.</returns>
    public int JoinLine(QueueRow queue, string key, long position, long number)
    {
        var lane = _headOfLine.Bind(1, queue.Id).Bind(2, key).Scalar() is null ? Leasable : Blocked;
        _insertLine.Bind(1, queue.Id).Bind(2, key).Bind(3, position).Bind(4, number).Run();
        return lane;
    }

    /// <summary>Takes a message out of its key's line, and lets the one behind it come forward.</summary>
    public void LeaveLine(QueueRow queue, StoredMessage m)
    {
        if (m.Position is not { } position)
        {
            return;
        }

        _deleteLine.Bind(1, queue.Id).Bind(2, m.Key).Bind(3, position).Run();
        m.Position = null;
        if (_headOfLine.Bind(1, queue.Id).Bind(2, m.Key).Scalar() is { } head && _unblock.Bind(1, queue.Id).Bind(2, head).Change() > 0)
        {
            queue.Arrived++;
        }
    }

    private static List<(long, long)> Collect(Statement statement)
    {
        var found = new List<(long, long)>();
        while (statement.Step())
        {
            found.Add((statement.Int64(0), statement.Int64(1)));
        }

        return found;
    }
}
