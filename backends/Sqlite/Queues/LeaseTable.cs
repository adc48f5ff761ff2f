using Millrace.Sqlite.Engine;

namespace Millrace.Sqlite.Queues;

/// <summary>The leases, by queue and number. Rows of this process stay cached until another connection has written to the file.</summary>
internal sealed class LeaseTable
{
    // Beyond this the cache starts again; a row is read back at need.
    private const int MaxCached = 8192;

    private readonly Dictionary<long, LeaseRow> _cache = [];
    private readonly List<LeaseRow> _dirty = [];
    private readonly Statement _select;
    private readonly Statement _selectNext;
    private readonly Statement _insert;
    private readonly Statement _update;
    private readonly Statement _delete;

    public LeaseTable(Connection connection, string t)
    {
        _select = connection.Prepare($"SELECT id, owner, deadline, entries, open FROM {t}lease WHERE queue = ?1 AND id = ?2");
        _selectNext = connection.Prepare($"SELECT id, owner, deadline FROM {t}lease WHERE queue = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
        _insert = connection.Prepare($"INSERT INTO {t}lease (queue, id, owner, deadline, entries, open) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
        _update = connection.Prepare($"UPDATE {t}lease SET deadline = ?3, open = ?4 WHERE queue = ?1 AND id = ?2");
        _delete = connection.Prepare($"DELETE FROM {t}lease WHERE queue = ?1 AND id = ?2");
    }

    public void Add(LeaseRow row)
    {
        _insert.Bind(1, row.Queue).Bind(2, row.Id).Bind(3, row.Owner).Bind(4, row.Deadline).Bind(5, LeaseRow.Encode(row.Entries)).Bind(6, row.Open).Run();
        Cache(row);
    }

    public LeaseRow? Find(long queue, long id)
    {
        if (_cache.TryGetValue(id, out var row))
        {
            return row.Queue == queue && row.OpenCount > 0 ? row : null;
        }

        if (!_select.Bind(1, queue).Bind(2, id).Step())
        {
            return null;
        }

        var open = _select.Blob(4).ToArray();
        var count = 0;
        foreach (var bits in open)
        {
            count += System.Numerics.BitOperations.PopCount(bits);
        }

        row = new LeaseRow
        {
            Queue = queue,
            Id = id,
            Owner = _select.Int64(1),
            Deadline = _select.Int64(2),
            Entries = LeaseRow.Decode(_select.Blob(3)),
            Open = open,
            OpenCount = count,
        };
        _select.Reset();
        Cache(row);
        return row;
    }

    /// <summary>Leases of a queue above <paramref name="after"/>, in the order of their numbers.</summary>
    public List<(long Id, long Owner, long Deadline)> List(long queue, long after, int limit)
    {
        var found = new List<(long, long, long)>();
        _selectNext.Bind(1, queue).Bind(2, after).Bind(3, limit);
        while (_selectNext.Step())
        {
            // A renewal of this transaction may not be written yet.
            var deadline = _cache.TryGetValue(_selectNext.Int64(0), out var cached) ? cached.Deadline : _selectNext.Int64(2);
            found.Add((_selectNext.Int64(0), _selectNext.Int64(1), deadline));
        }

        return found;
    }

    public void Changed(LeaseRow row)
    {
        if (!row.IsDirty)
        {
            row.IsDirty = true;
            _dirty.Add(row);
        }
    }

    /// <summary>Writes the rows that were changed, and deletes those with nothing left open.</summary>
    public void Flush()
    {
        foreach (var row in _dirty)
        {
            row.IsDirty = false;
            if (row.OpenCount == 0)
            {
                _delete.Bind(1, row.Queue).Bind(2, row.Id).Run();
                _cache.Remove(row.Id);
            }
            else
            {
                _update.Bind(1, row.Queue).Bind(2, row.Id).Bind(3, row.Deadline).Bind(4, row.Open).Run();
            }
        }

        _dirty.Clear();
    }

    public void Forget()
    {
        _cache.Clear();
        _dirty.Clear();
    }

    private void Cache(LeaseRow row)
    {
        // Rows with changes that are not written must stay, or a second copy would be read.
        if (_cache.Count >= MaxCached && _dirty.Count == 0)
        {
            _cache.Clear();
        }

        _cache[row.Id] = row;
    }
}
