using Millrace.Sqlite.Engine;

namespace Millrace.Sqlite.Queues;

/// <summary>Removes the rows of a hidden queue without keeping counts, ids or lines right: nobody sees it any more.</summary>
internal sealed class HiddenTable
{
    private readonly Ledger _ledger;
    private readonly (Statement List, Statement Delete)[] _places;
    private readonly Statement _listLease;
    private readonly Statement _deleteLease;
    private readonly Statement _deleteMessage;
    private readonly Statement[] _rest;

    public HiddenTable(Ledger ledger, Connection connection, string t)
    {
        _ledger = ledger;
        _places =
        [
            (connection.Prepare($"SELECT number, lane, rank FROM {t}ready WHERE queue = ?1 LIMIT ?2"),
                connection.Prepare($"DELETE FROM {t}ready WHERE queue = ?1 AND lane = ?2 AND rank = ?3")),
            (connection.Prepare($"SELECT number, due, number FROM {t}scheduled WHERE queue = ?1 LIMIT ?2"),
                connection.Prepare($"DELETE FROM {t}scheduled WHERE queue = ?1 AND due = ?2 AND number = ?3")),
        ];
        _listLease = connection.Prepare($"SELECT id, entries FROM {t}lease WHERE queue = ?1 LIMIT 1");
        _deleteLease = connection.Prepare($"DELETE FROM {t}lease WHERE queue = ?1 AND id = ?2");
        _deleteMessage = connection.Prepare($"DELETE FROM {t}message WHERE number = ?1 AND queue = ?2");
        _rest =
        [
            connection.Prepare($"DELETE FROM {t}expiring WHERE queue = ?1 AND expires <= (SELECT max(expires) FROM (SELECT expires FROM {t}expiring WHERE queue = ?1 ORDER BY expires LIMIT ?2))"),
            connection.Prepare($"DELETE FROM {t}line WHERE queue = ?1 AND key <= (SELECT max(key) FROM (SELECT key FROM {t}line WHERE queue = ?1 ORDER BY key LIMIT ?2))"),
            connection.Prepare($"DELETE FROM {t}ident WHERE queue = ?1 AND hash <= (SELECT max(hash) FROM (SELECT hash FROM {t}ident WHERE queue = ?1 ORDER BY hash LIMIT ?2))"),
            connection.Prepare($"DELETE FROM {t}remembered WHERE queue = ?1 AND sequence <= (SELECT max(sequence) FROM (SELECT sequence FROM {t}remembered WHERE queue = ?1 ORDER BY sequence LIMIT ?2))"),
        ];
    }

    /// <summary>Removes messages.</summary>
    /// <returns>How much of <paramref name="budget"/> is left; 0 when there may be more.</returns>
    public int RemoveMessages(QueueRow queue, int budget)
    {
        foreach (var (list, delete) in _places)
        {
            var page = new List<(long Number, long First, long Second)>();
            list.Bind(1, queue.Id).Bind(2, budget);
            while (list.Step())
            {
                page.Add((list.Int64(0), list.Int64(1), list.Int64(2)));
            }

            foreach (var (number, first, second) in page)
            {
                delete.Bind(1, queue.Id).Bind(2, first).Bind(3, second).Run();
                _deleteMessage.Bind(1, number).Bind(2, queue.Id).Run();
            }

            budget -= page.Count;
        }

        return RemoveLeases(queue, budget);
    }

    /// <summary>Removes ids, expiry times and lines.</summary>
    /// <returns>How much of <paramref name="budget"/> is left; 0 when there may be more.</returns>
    public int RemoveIds(QueueRow queue, int budget)
    {
        foreach (var statement in _rest)
        {
            if (budget > 0)
            {
                budget = Math.Max(0, budget - statement.Bind(1, queue.Id).Bind(2, budget).Change());
            }
        }

        return budget;
    }

    private int RemoveLeases(QueueRow queue, int budget)
    {
        while (budget > 0 && _listLease.Bind(1, queue.Id).Step())
        {
            var id = _listLease.Int64(0);
            var entries = LeaseRow.Decode(_listLease.Blob(1));
            _listLease.Reset();
            foreach (var entry in entries)
            {
                // One that was settled is gone, or has moved to another queue meanwhile: the statement looks at the queue.
                _deleteMessage.Bind(1, entry.Number).Bind(2, queue.Id).Run();
            }

            _deleteLease.Bind(1, queue.Id).Bind(2, id).Run();
            budget = Math.Max(0, budget - entries.Length);
        }

        _ledger.Leases.Forget();
        return budget;
    }
}
