using Microsoft.Data.Sqlite;
using Millrace.Sqlite.Engine;
using Millrace.Sqlite.Queues;
using Millrace.Storage;
using SQLitePCL;

namespace Millrace.Sqlite;

/// <summary>
/// Enqueues inside a transaction of the application's own, on the same database file: the messages exist if and when it commits, together with whatever else it
/// wrote.
/// </summary>
public static class SqliteOutbox
{
    /// <summary>
    /// Adds a batch to a queue as part of <paramref name="transaction"/>. Waiting receivers, of this process and others, wake within about 25 ms of its commit.
    /// </summary>
    /// <param name="store">The queue store of an open <see cref="SqliteBackend"/> on the same file.</param>
    /// <param name="transaction">An open transaction. From this call to its end it holds the file's write lock, so keep it short.</param>
    /// <param name="queue">The queue; created with default settings if it does not exist, unless the store was opened with <c>autocreate=false</c>.</param>
    /// <param name="batch">The messages. How durable they are is the business of the transaction's connection.</param>
    /// <param name="results">One result a message, in order; at least as long as the batch, or empty.</param>
    /// <remarks>
    /// Synchronous, as the transaction's connection is. Until the transaction has ended, an ordinary call on the store that the same flow of control awaits
    /// throws <see cref="InvalidOperationException"/>, because it would wait for the lock that its own caller holds. The connection is used by one thread at a time.
    /// </remarks>
    /// <exception cref="ArgumentException">The store is none of SQLite's, or the transaction has ended or belongs to another file.</exception>
    /// <exception cref="QueueFullException">The batch does not fit; nothing of it was written, and the transaction can go on.</exception>
    /// <exception cref="InvalidMessageException">A message breaks a limit; nothing was written.</exception>
    /// <exception cref="BackendUnavailableException">Another writer held the file for too long, or the disk failed. Roll the transaction back.</exception>
    public static void Enqueue(this IQueueStore store, SqliteTransaction transaction, string queue, ReadOnlySpan<Envelope> batch, Span<EnqueueResult> results = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(transaction);
        if (store is not SqliteQueueStore queues)
        {
            throw new ArgumentException("The store is not that of a SQLite backend: a transaction of SQLite can hold only its messages.", nameof(store));
        }

        var handle = transaction.Connection?.Handle
            ?? throw new ArgumentException("The transaction has ended: enqueue before it is committed or rolled back.", nameof(transaction));
        var file = raw.sqlite3_db_filename(handle, "main").utf8_to_string();
        if (!SameFile(file, queues.Store.Options.File))
        {
            throw new ArgumentException($"The transaction is on '{file}', the store on '{queues.Store.Options.File}': one transaction holds one file.", nameof(transaction));
        }

        queues.RequireBatch(queue, batch, results.Length);
        if (batch.IsEmpty)
        {
            return;
        }

        using var connection = new Connection(handle, queues.Store.Options.File);
        using var ledger = new Ledger(connection, queues.Store.LedgerContext);
        var envelopes = batch.ToArray();
        var outcomes = new EnqueueResult[batch.Length];

        TakeWriteLock(connection, queues.Store.Options);
        OutboxScope.Enter(transaction, queues.Store.Options.File);
        ledger.StartOperation();
        ledger.AllOrNothing(inner =>
        {
            inner.Intake.Enqueue(inner.OpenOrCreate(queue), envelopes, outcomes);
            return true;
        });
        outcomes.AsSpan(0, Math.Min(outcomes.Length, results.Length)).CopyTo(results);
    }

    /// <summary>
    /// Makes sure that the transaction is the writer before anything is read: a deferred one that reads first is refused at once, without waiting, when another
    /// has written meanwhile. Connections of Microsoft.Data.Sqlite wait in their commands and not in SQLite, so the wait is set for this statement.
    /// </summary>
    private static void TakeWriteLock(Connection connection, SqliteOptions options)
    {
        var before = connection.QueryNumber("PRAGMA busy_timeout") ?? 0;
        raw.sqlite3_busy_timeout(connection.Handle, options.BusyTimeoutMs);
        try
        {
            connection.Execute($"UPDATE {options.TablePrefix}store SET sequence = sequence WHERE id = 1");
        }
        finally
        {
            raw.sqlite3_busy_timeout(connection.Handle, (int)before);
        }
    }

    private static bool SameFile(string left, string right) =>
        left == right || (left.Length > 0 && Path.GetFullPath(left) == Path.GetFullPath(right)) || Resolve(left) == Resolve(right);

    private static string? Resolve(string path) =>
        path.Length == 0 ? null : new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path);
}
