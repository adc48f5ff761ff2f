using Microsoft.Data.Sqlite;

namespace Millrace.Sqlite;

/// <summary>
/// Knows that the current flow of control has written to a file in a transaction of its own that is still open. The transaction holds the file's write lock until
/// it ends, and it can end only when this flow goes on: an ordinary store call that this flow awaits would wait for itself.
/// </summary>
internal static class OutboxScope
{
    private static readonly AsyncLocal<Marker?> Current = new();

    // Programs that never use the outbox pay for one field, not for the flow's locals.
    private static volatile bool _isUsed;

    /// <summary>Marks the flow of the caller. Not from an async method: its marks end with it.</summary>
    public static void Enter(SqliteTransaction transaction, string file)
    {
        _isUsed = true;
        Current.Value = new Marker(new WeakReference<SqliteTransaction>(transaction), file);
    }

    /// <summary>Throws if this flow holds the write lock of a file.</summary>
    /// <exception cref="InvalidOperationException">It does: the call would wait for itself.</exception>
    public static void RequireNone(string file)
    {
        if (_isUsed && Current.Value is { } marker && marker.File == file)
        {
            if (marker.Transaction.TryGetTarget(out var transaction) && transaction.Connection is not null)
            {
                throw new InvalidOperationException(
                    $"This call would wait for itself: the transaction in which messages were enqueued to '{file}' is still open here and locks the file for writing. "
                    + "Commit or roll it back first, or use the outbox method inside it.");
            }

            Current.Value = null;
        }
    }

    private sealed record Marker(WeakReference<SqliteTransaction> Transaction, string File);
}
