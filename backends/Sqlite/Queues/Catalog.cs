using Millrace.Sqlite.Engine;
using Millrace.Storage;

namespace Millrace.Sqlite.Queues;

/// <summary>
/// The queues, by name and number. Rows stay cached between transactions until another connection has written to the file; counters are written once
/// a transaction, whatever the number of messages.
/// </summary>
internal sealed class Catalog
{
    // Internal names of deleted queues whose messages are still being removed; no user's name begins with a control character.
    public const string DeletedPrefix = "\u0001deleted ";

    private const string Columns =
        "id, name, max_deliveries, max_length, max_bytes, overflow, dead_letter_expired, delete_after_idle, dedup_window, dedup_max_entries, used_at, "
        + "ready, scheduled, leased, bytes, remembered, enqueued, completed, duplicates, expired, dropped, dead_lettered, evicted, next_due, next_expiry, next_lease";

    private readonly Dictionary<string, QueueRow> _byName = new(StringComparer.Ordinal);
    private readonly Dictionary<long, QueueRow> _byId = [];
    private readonly List<QueueRow> _dirty = [];
    private readonly Statement _selectByName;
    private readonly Statement _selectById;
    private readonly Statement _insert;
    private readonly Statement _update;
    private readonly Statement _updateSettings;
    private readonly Statement _maxId;
    private readonly Statement _rename;
    private readonly Statement _delete;
    private readonly Statement _list;
    private readonly Statement _listAll;

    public Catalog(Connection connection, string t)
    {
        _selectByName = connection.Prepare($"SELECT {Columns} FROM {t}queue WHERE name = ?1");
        _selectById = connection.Prepare($"SELECT {Columns} FROM {t}queue WHERE id = ?1");
        _insert = connection.Prepare(
            $"INSERT INTO {t}queue (id, name, max_deliveries, max_length, max_bytes, overflow, dead_letter_expired, delete_after_idle, dedup_window, dedup_max_entries, used_at) "
            + "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
        _update = connection.Prepare(
            $"UPDATE {t}queue SET used_at = ?2, ready = ?3, scheduled = ?4, leased = ?5, bytes = ?6, remembered = ?7, enqueued = ?8, completed = ?9, duplicates = ?10, "
            + "expired = ?11, dropped = ?12, dead_lettered = ?13, evicted = ?14, next_due = ?15, next_expiry = ?16, next_lease = ?17 WHERE id = ?1");
        _updateSettings = connection.Prepare(
            $"UPDATE {t}queue SET max_deliveries = ?2, max_length = ?3, max_bytes = ?4, overflow = ?5, dead_letter_expired = ?6, delete_after_idle = ?7, dedup_window = ?8, "
            + "dedup_max_entries = ?9 WHERE id IN (?1, ?1 + 1)");
        _maxId = connection.Prepare($"SELECT max(id) FROM {t}queue");
        _rename = connection.Prepare($"UPDATE {t}queue SET name = ?2 WHERE id = ?1");
        _delete = connection.Prepare($"DELETE FROM {t}queue WHERE id = ?1");
        _list = connection.Prepare($"SELECT name, id FROM {t}queue WHERE name >= ?1 AND name <> ?2 ORDER BY name LIMIT ?3");
        _listAll = connection.Prepare($"SELECT id FROM {t}queue WHERE id > ?1 ORDER BY id LIMIT 500");
    }

    /// <summary>The queues that this transaction changed.</summary>
    public IReadOnlyList<QueueRow> Dirty => _dirty;

    public static bool IsDeletedName(string name) => name.StartsWith(DeletedPrefix, StringComparison.Ordinal);

    public QueueRow? Find(string name)
    {
        if (_byName.TryGetValue(name, out var row))
        {
            return row;
        }

        _selectByName.Bind(1, name);
        return Read(_selectByName);
    }

    public QueueRow? Find(long id)
    {
        if (_byId.TryGetValue(id, out var row))
        {
            return row;
        }

        _selectById.Bind(1, id);
        return Read(_selectById);
    }

    public QueueRow Require(string name) => Find(name) ?? throw new QueueNotFoundException(name);

    /// <summary>The dead-letter queue of a queue; itself if it is one.</summary>
    public QueueRow DeadLetterQueueOf(QueueRow row) => Existing(row.Id | 1);

    /// <summary>The queue of a dead-letter queue; itself if it is none.</summary>
    public QueueRow SourceOf(QueueRow row) => Existing(row.Id & ~1L);

    /// <summary>Creates a queue together with its dead-letter queue.</summary>
    public QueueRow Create(string name, QueueSettings settings, long now)
    {
        var id = ((_maxId.Scalar() ?? 0) | 1) + 1;
        foreach (var (rowId, rowName) in ((long, string)[])[(id, name), (id | 1, ResourceName.DeadLetterQueueOf(name))])
        {
            _insert.Bind(1, rowId).Bind(2, rowName);
            BindSettings(_insert, 3, settings);
            _insert.Bind(11, now).Run();
        }

        return Existing(id);
    }

    public void UpdateSettings(QueueRow row, QueueSettings settings)
    {
        _updateSettings.Bind(1, row.Id);
        BindSettings(_updateSettings, 2, settings);
        _updateSettings.Run();
        row.Settings = settings;
        DeadLetterQueueOf(row).Settings = settings;
    }

    /// <summary>Hides a queue under a name that nobody can use; what it holds is removed step by step afterwards.</summary>
    public void Hide(QueueRow row)
    {
        _rename.Bind(1, row.Id).Bind(2, DeletedPrefix + row.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)).Run();
        Flush();
        Forget();
    }

    public void Delete(QueueRow row)
    {
        Flush();
        _delete.Bind(1, row.Id).Run();
        Forget();
    }

    /// <summary>Names from <paramref name="prefix"/> on and after <paramref name="after"/>, in the order of their bytes.</summary>
    public List<(string Name, long Id)> List(string prefix, string after, int limit)
    {
        var found = new List<(string, long)>();
        _list.Bind(1, PageStart.Of(prefix, after)).Bind(2, after).Bind(3, limit);
        while (_list.Step())
        {
            found.Add((_list.Text(0)!, _list.Int64(1)));
        }

        return found;
    }

    /// <summary>The numbers of queues above <paramref name="after"/>, hidden ones included; at most 500.</summary>
    public List<long> ListIds(long after)
    {
        var found = new List<long>();
        _listAll.Bind(1, after);
        while (_listAll.Step())
        {
            found.Add(_listAll.Int64(0));
        }

        return found;
    }

    public void Changed(QueueRow row)
    {
        if (!row.IsDirty)
        {
            row.IsDirty = true;
            _dirty.Add(row);
        }
    }

    /// <summary>Writes the rows that were changed.</summary>
    public void Flush()
    {
        foreach (var row in _dirty)
        {
            if (row.IsDirty)
            {
                _update.Bind(1, row.Id).Bind(2, row.UsedAt).Bind(3, row.Ready).Bind(4, row.Scheduled).Bind(5, row.Leased).Bind(6, row.Bytes)
                    .Bind(7, row.Remembered).Bind(8, row.Enqueued).Bind(9, row.Completed).Bind(10, row.Duplicates).Bind(11, row.Expired)
                    .Bind(12, row.Dropped).Bind(13, row.DeadLettered).Bind(14, row.Evicted).Bind(15, row.NextDue).Bind(16, row.NextExpiry)
                    .Bind(17, row.NextLeaseEnd).Run();
                row.IsDirty = false;
            }
        }
    }

    /// <summary>Ends a transaction: the list of changed rows is emptied.</summary>
    public void ClearChanges()
    {
        foreach (var row in _dirty)
        {
            (row.IsDirty, row.Arrived, row.HasEarlierEvent, row.HasEarlierDeath) = (false, 0, false, false);
        }

        _dirty.Clear();
    }

    /// <summary>Forgets what was read: it may have changed.</summary>
    public void Forget()
    {
        _byName.Clear();
        _byId.Clear();
    }

    private static void BindSettings(Statement statement, int first, QueueSettings settings) =>
        statement.Bind(first, settings.MaxDeliveries).Bind(first + 1, settings.MaxLength).Bind(first + 2, settings.MaxBytes)
            .Bind(first + 3, (long)settings.Overflow).Bind(first + 4, settings.DeadLetterExpired ? 1 : 0).Bind(first + 5, settings.DeleteAfterIdle?.Ticks)
            .Bind(first + 6, settings.DedupWindow.Ticks).Bind(first + 7, settings.DedupMaxEntries);

    private QueueRow Existing(long id) =>
        Find(id) ?? throw new StorageCorruptException($"The queue table lacks the row {id} that belongs to another of its rows.");

    private QueueRow? Read(Statement s)
    {
        if (!s.Step())
        {
            return null;
        }

        var row = new QueueRow
        {
            Id = s.Int64(0),
            Name = s.Text(1)!,
            Settings = new QueueSettings
            {
                MaxDeliveries = s.Int32(2),
                MaxLength = s.Int64(3),
                MaxBytes = s.NullableInt64(4),
                Overflow = (QueueOverflow)s.Int32(5),
                DeadLetterExpired = s.Int32(6) != 0,
                DeleteAfterIdle = s.NullableInt64(7) is { } idle ? TimeSpan.FromTicks(idle) : null,
                DedupWindow = TimeSpan.FromTicks(s.Int64(8)),
                DedupMaxEntries = s.Int32(9),
            },
            UsedAt = s.Int64(10),
            Ready = s.Int64(11),
            Scheduled = s.Int64(12),
            Leased = s.Int64(13),
            Bytes = s.Int64(14),
            Remembered = s.Int64(15),
            Enqueued = s.Int64(16),
            Completed = s.Int64(17),
            Duplicates = s.Int64(18),
            Expired = s.Int64(19),
            Dropped = s.Int64(20),
            DeadLettered = s.Int64(21),
            Evicted = s.Int64(22),
            NextDue = s.Int64(23),
            NextExpiry = s.Int64(24),
            NextLeaseEnd = s.Int64(25),
        };
        s.Reset();
        _byName[row.Name] = row;
        _byId[row.Id] = row;
        return row;
    }
}
