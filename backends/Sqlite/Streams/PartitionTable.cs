using Millrace.Sqlite.Engine;
using Millrace.Storage;

namespace Millrace.Sqlite.Streams;

/// <summary>The partitions of all streams, a row each.</summary>
internal sealed class PartitionTable
{
    // Never a stream's name.
    private const string Deleted = "";

    private const string Columns = "id, partitions, max_age, max_bytes, max_records, earliest, next, bytes, newest, producers";

    private readonly Statement _find;
    private readonly Statement _get;
    private readonly Statement _partitions;
    private readonly Statement _insert;
    private readonly Statement _update;
    private readonly Statement _retain;
    private readonly Statement _hide;
    private readonly Statement _hidden;
    private readonly Statement _remove;
    private readonly Statement _after;

    public PartitionTable(Connection connection, string t)
    {
        _find = connection.Prepare($"SELECT {Columns} FROM {t}partition WHERE name = ?1 AND number = ?2");
        _get = connection.Prepare($"SELECT {Columns} FROM {t}partition WHERE id = ?1 AND name <> ''");
        _partitions = connection.Prepare($"SELECT partitions FROM {t}partition WHERE name = ?1 LIMIT 1");
        _insert = connection.Prepare(
            $"INSERT INTO {t}partition ({Columns}, name, number) VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, ?8, 0, ?6, ?7)");
        _update = connection.Prepare($"UPDATE {t}partition SET earliest = ?2, next = ?3, bytes = ?4, newest = ?5, producers = ?6 WHERE id = ?1");
        _retain = connection.Prepare($"UPDATE {t}partition SET max_age = ?2, max_bytes = ?3, max_records = ?4 WHERE id = ?1");
        _hide = connection.Prepare($"UPDATE {t}partition SET name = '{Deleted}', number = id WHERE id = ?1");
        _hidden = connection.Prepare($"SELECT id FROM {t}partition WHERE name = '{Deleted}' LIMIT 1");
        _remove = connection.Prepare($"DELETE FROM {t}partition WHERE id = ?1");
        _after = connection.Prepare($"SELECT id FROM {t}partition WHERE id > ?1 ORDER BY id LIMIT 1");
    }

    public PartitionRow? Find(string stream, int number) => Read(_find.Bind(1, stream).Bind(2, number));

    /// <summary>A partition that was not deleted.</summary>
    public PartitionRow? Get(long id) => Read(_get.Bind(1, id));

    /// <summary>How many partitions a stream has; null when there is none of them.</summary>
    public int? CountOf(string stream) => (int?)_partitions.Bind(1, stream).Scalar();

    public void Add(long id, StreamPartitionContext context)
    {
        var retention = context.Retention;
        _insert.Bind(1, id).Bind(2, context.PartitionCount).Bind(3, retention.MaxAge?.Ticks).Bind(4, retention.MaxBytes).Bind(5, retention.MaxRecords)
            .Bind(6, context.Stream).Bind(7, context.Partition).Bind(8, long.MinValue).Run();
    }

    public void Update(PartitionRow row) =>
        _update.Bind(1, row.Id).Bind(2, row.Earliest).Bind(3, row.Next).Bind(4, row.Bytes).Bind(5, row.Newest).Bind(6, row.Producers).Run();

    public void SetRetention(long id, StreamRetention retention) =>
        _retain.Bind(1, id).Bind(2, retention.MaxAge?.Ticks).Bind(3, retention.MaxBytes).Bind(4, retention.MaxRecords).Run();

    /// <summary>Takes a partition's name from it, so that it is gone for everybody; its rows are removed after that.</summary>
    public void Hide(long id) => _hide.Bind(1, id).Run();

    /// <summary>One of the hidden partitions.</summary>
    public long? FirstHidden() => _hidden.Scalar();

    public void Remove(long id) => _remove.Bind(1, id).Run();

    /// <summary>The next partition by number, hidden or not.</summary>
    public long? After(long id) => _after.Bind(1, id).Scalar();

    private static PartitionRow? Read(Statement statement)
    {
        if (!statement.Step())
        {
            return null;
        }

        var retention = new StreamRetention
        {
            MaxAge = statement.NullableInt64(2) is { } age ? TimeSpan.FromTicks(age) : null,
            MaxBytes = statement.NullableInt64(3),
            MaxRecords = statement.NullableInt64(4),
        };
        var row = new PartitionRow(
            statement.Int64(0), statement.Int32(1), retention, statement.Int64(5), statement.Int64(6), statement.Int64(7), statement.Int64(8), statement.Int32(9));
        statement.Reset();
        return row;
    }
}
