using Millrace.Sqlite.Engine;

namespace Millrace.Sqlite.Streams;

/// <summary>The rows of records of all partitions.</summary>
internal sealed class RecordTable
{
    private readonly Statement _insert;
    private readonly Statement _from;
    private readonly Statement _at;
    private readonly Statement _newerFrom;
    private readonly Statement _firstHead;
    private readonly Statement _delete;

    public RecordTable(Connection connection, string t)
    {
        _insert = connection.Prepare(
            $"INSERT INTO {t}records (partition, first, count, bytes, newest, reached, checksum, records) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
        _from = connection.Prepare(
            $"SELECT first, count, bytes, checksum, records FROM {t}records WHERE partition = ?1 AND first >= ifnull((SELECT first FROM {t}records WHERE partition = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1), 0) ORDER BY first");
        _at = connection.Prepare($"SELECT first, count, reached FROM {t}records WHERE partition = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1");
        _newerFrom = connection.Prepare(
            $"SELECT first, count, bytes, checksum, records FROM {t}records WHERE partition = ?1 AND first >= ?2 AND newest >= ?3 ORDER BY first LIMIT 1");
        _firstHead = connection.Prepare($"SELECT first, count, bytes, newest FROM {t}records WHERE partition = ?1 ORDER BY first LIMIT 1");
        _delete = connection.Prepare($"DELETE FROM {t}records WHERE partition = ?1 AND first = ?2");
    }

    public void Add(long partition, long first, in EncodedRow row, long reached) =>
        _insert.Bind(1, partition).Bind(2, first).Bind(3, row.Count).Bind(4, row.Size).Bind(5, row.Newest).Bind(6, reached).Bind(7, row.Checksum).Bind(8, row.Bytes.Span).Run();

    /// <summary>The rows from the one that holds <paramref name="offset"/>, until they hold enough.</summary>
    public List<StoredRow> From(long partition, long offset, int maxRecords, int maxBytes)
    {
        var rows = new List<StoredRow>();
        var records = 0L;
        var bytes = 0L;
        _from.Bind(1, partition).Bind(2, offset);
        while (_from.Step())
        {
            var row = Read(_from);
            if (row.First + row.Count <= offset)
            {
                continue;
            }

            rows.Add(row);
            records += row.Count - Math.Max(0, offset - row.First);

            // Of a row that is entered in its middle nobody knows yet how many bytes are wanted.
            bytes += row.First < offset ? 0 : row.Size;
            if (records >= maxRecords || bytes >= maxBytes)
            {
                _from.Reset();
                break;
            }
        }

        return rows;
    }

    /// <summary>The row that holds <paramref name="offset"/>, or the last before it: its first offset, the offset after it, and the highest timestamp of the partition up to there.</summary>
    public (long First, long Next, long Reached)? At(long partition, long offset)
    {
        if (!_at.Bind(1, partition).Bind(2, offset).Step())
        {
            return null;
        }

        var head = (_at.Int64(0), _at.Int64(0) + _at.Int32(1), _at.Int64(2));
        _at.Reset();
        return head;
    }

    /// <summary>The first row from <paramref name="first"/> on that has a timestamp at or after <paramref name="wall"/>.</summary>
    public StoredRow? NewerFrom(long partition, long first, long wall)
    {
        if (!_newerFrom.Bind(1, partition).Bind(2, first).Bind(3, wall).Step())
        {
            return null;
        }

        var row = Read(_newerFrom);
        _newerFrom.Reset();
        return row;
    }

    /// <summary>The first row of a partition, without its records.</summary>
    public (long First, int Count, long Bytes, long Newest)? FirstHead(long partition)
    {
        if (!_firstHead.Bind(1, partition).Step())
        {
            return null;
        }

        var head = (_firstHead.Int64(0), _firstHead.Int32(1), _firstHead.Int64(2), _firstHead.Int64(3));
        _firstHead.Reset();
        return head;
    }

    public void Delete(long partition, long first) => _delete.Bind(1, partition).Bind(2, first).Run();

    private static StoredRow Read(Statement statement) =>
        new(statement.Int64(0), statement.Int32(1), statement.Int64(2), (uint)statement.Int64(3), statement.Blob(4).ToArray());
}
