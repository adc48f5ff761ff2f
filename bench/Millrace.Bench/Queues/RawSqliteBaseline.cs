using System.Diagnostics;
using Microsoft.Data.Sqlite;

namespace Millrace.Bench.Queues;

/// <summary>
/// What SQLite does by itself: prepared statements on one connection, so many rows inserted in one transaction, then read and deleted in another. No leases, keys,
/// ids or attempts. Measured after a store has been opened, which sets the SQLite library up.
/// </summary>
internal static class RawSqliteBaseline
{
    /// <summary>Safe from a power cut.</summary>
    public const string Full = "FULL";

    /// <summary>Safe from kill -9.</summary>
    public const string Process = "NORMAL";

    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(2);

    /// <summary>Messages that went in and out again in a second.</summary>
    public static double Measure(string folder, string synchronous, int rowsPerTransaction)
    {
        using var connection = new SqliteConnection($"Data Source={Path.Combine(folder, $"raw-{synchronous}-{rowsPerTransaction}.db")};Pooling=False");
        connection.Open();
        Execute(connection, "PRAGMA journal_mode = WAL");
        Execute(connection, $"PRAGMA synchronous = {synchronous}");
        Execute(connection, "CREATE TABLE message (sequence INTEGER PRIMARY KEY, body BLOB NOT NULL)");
        using var insert = Prepare(connection, "INSERT INTO message (body) VALUES ($body)");
        using var select = Prepare(connection, "SELECT sequence, body FROM message ORDER BY sequence LIMIT $count");
        using var delete = Prepare(connection, "DELETE FROM message WHERE sequence = $sequence");
        insert.Parameters.AddWithValue("$body", new byte[QueueArea.BodyBytes]);
        select.Parameters.AddWithValue("$count", rowsPerTransaction);
        var sequence = delete.Parameters.AddWithValue("$sequence", 0L);

        var count = 0L;
        var taken = new List<long>(rowsPerTransaction);
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < Duration)
        {
            using (var transaction = connection.BeginTransaction())
            {
                insert.Transaction = transaction;
                for (var i = 0; i < rowsPerTransaction; i++)
                {
                    insert.ExecuteNonQuery();
                }

                transaction.Commit();
            }

            using (var transaction = connection.BeginTransaction())
            {
                Take(select, transaction, taken);
                delete.Transaction = transaction;
                foreach (var row in taken)
                {
                    sequence.Value = row;
                    delete.ExecuteNonQuery();
                }

                transaction.Commit();
            }

            count += taken.Count;
        }

        return count / watch.Elapsed.TotalSeconds;
    }

    private static void Take(SqliteCommand select, SqliteTransaction transaction, List<long> taken)
    {
        taken.Clear();
        select.Transaction = transaction;
        using var rows = select.ExecuteReader();
        while (rows.Read())
        {
            taken.Add(rows.GetInt64(0));
            _ = rows.GetFieldValue<byte[]>(1);
        }
    }

    private static SqliteCommand Prepare(SqliteConnection connection, string sql)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        return command;
    }

    private static void Execute(SqliteConnection connection, string sql)
    {
        using var command = Prepare(connection, sql);
        command.ExecuteNonQuery();
    }
}
