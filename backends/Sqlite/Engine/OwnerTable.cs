using Millrace.Sqlite.Queues;

namespace Millrace.Sqlite.Engine;

/// <summary>The opened stores on this file, and the end of the leases and locks of those that are gone.</summary>
internal sealed class OwnerTable
{
    private readonly Statement _insert;
    private readonly Statement _delete;
    private readonly Statement _list;
    private readonly Statement _locksOf;
    private readonly Statement _deleteLock;

    public OwnerTable(Connection connection, string t)
    {
        _insert = connection.Prepare($"INSERT INTO {t}owner (id, instance, domain, process, opened_at) VALUES (?1, ?2, ?3, ?4, ?5)");
        _delete = connection.Prepare($"DELETE FROM {t}owner WHERE id = ?1");
        _list = connection.Prepare($"SELECT id, instance, process FROM {t}owner WHERE id > 0 ORDER BY id");
        _locksOf = connection.Prepare($"SELECT name, holder FROM {t}lock WHERE name > ?1 ORDER BY name LIMIT 500");
        _deleteLock = connection.Prepare($"DELETE FROM {t}lock WHERE name = ?1");
    }

    /// <summary>Adds an owner.</summary>
    /// <returns>Its number.</returns>
    public long Add(Ledger ledger, string instance, string domain)
    {
        var id = ledger.Counters.NextSequence();
        _insert.Bind(1, id).Bind(2, instance).Bind(3, domain).Bind(4, Environment.ProcessId).Bind(5, ledger.Wall).Run();
        ledger.ForgetOwners();
        return id;
    }

    public List<(long Id, string Instance, long Process)> List()
    {
        var owners = new List<(long, string, long)>();
        while (_list.Step())
        {
            owners.Add((_list.Int64(0), _list.Text(1)!, _list.Int64(2)));
        }

        return owners;
    }

    /// <summary>Ends everything that an owner held, and removes it.</summary>
    /// <param name="ledger">The ledger of the same connection.</param>
    /// <param name="owner">The owner.</param>
    /// <param name="countAttempt">Whether its deliveries count: a process that was killed may have been killed by its message.</param>
    /// <returns>How many leases were ended.</returns>
    public int Remove(Ledger ledger, long owner, bool countAttempt)
    {
        var ended = 0;
        for (var queues = ledger.Catalog.ListIds(0); queues.Count > 0; queues = ledger.Catalog.ListIds(queues[^1]))
        {
            foreach (var id in queues)
            {
                var leases = ledger.Leases.List(id, long.MinValue, int.MaxValue);
                foreach (var (leaseId, leaseOwner, _) in leases)
                {
                    if (leaseOwner == owner && ledger.Catalog.Find(id) is { } queue && ledger.Leases.Find(id, leaseId) is { } lease)
                    {
                        ledger.Calendar.End(queue, lease, countAttempt, ledger.Wall);
                        ended++;
                    }
                }
            }
        }

        RemoveLocks(owner);
        _delete.Bind(1, owner).Run();
        ledger.ForgetOwners();
        return ended;
    }

    private void RemoveLocks(long owner)
    {
        var after = "";
        while (true)
        {
            var page = new List<(string Name, long Holder)>();
            _locksOf.Bind(1, after);
            while (_locksOf.Step())
            {
                page.Add((_locksOf.Text(0)!, _locksOf.Int64(1)));
            }

            foreach (var (name, holder) in page)
            {
                if (holder == owner)
                {
                    _deleteLock.Bind(1, name).Run();
                }
            }

            if (page.Count == 0)
            {
                return;
            }

            after = page[^1].Name;
        }
    }
}
