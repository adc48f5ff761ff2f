using System.Globalization;
using SQLitePCL;

namespace Millrace.Sqlite.Engine;

/// <summary>Turns SQLite's result codes into Millrace's family of faults.</summary>
internal static class SqliteFailure
{
    /// <summary>The exception for a failed call on <paramref name="database"/>.</summary>
    /// <param name="database">The connection; its error text is read.</param>
    /// <param name="code">The extended result code.</param>
    /// <param name="file">The file's path, for the message.</param>
    /// <param name="isCommit">Whether the failed statement was a COMMIT.</param>
    public static MillraceException From(sqlite3? database, int code, string file, bool isCommit = false)
    {
        var primary = code & 0xff;
        var text = database is null ? raw.sqlite3_errstr(code).utf8_to_string() : raw.sqlite3_errmsg(database).utf8_to_string();
        var inner = new SqliteErrorException(code, text);
        var detail = string.Create(CultureInfo.InvariantCulture, $"SQLite said: {text} ({code})");
        return primary switch
        {
            raw.SQLITE_CORRUPT => new StorageCorruptException($"The database file '{file}' is damaged. {detail}. Restore it from a backup, or try sqlite3's .recover.", inner),
            raw.SQLITE_NOTADB => new StorageCorruptException($"The file '{file}' is no SQLite database. {detail}.", inner),
            raw.SQLITE_FULL => new BackendUnavailableException($"The disk of '{file}', or the size that the file is limited to, is full: nothing was changed. {detail}.", innerException: inner),
            raw.SQLITE_BUSY or raw.SQLITE_LOCKED => new BackendUnavailableException(
                $"The database file '{file}' stayed locked by another writer for longer than busyTimeoutMs: nothing was changed. {detail}. "
                + "If this call is awaited inside a SqliteTransaction that wrote to the same file, it can never succeed: use the outbox methods there.", innerException: inner),
            raw.SQLITE_READONLY => new BackendUnavailableException($"The database file '{file}' cannot be written: nothing was changed. {detail}.", innerException: inner),

            // A commit whose flush failed may still be found complete when the log is next read.
            raw.SQLITE_IOERR => new BackendUnavailableException($"Reading or writing '{file}' failed. {detail}.", isCommit, inner),
            raw.SQLITE_CANTOPEN => new BackendUnavailableException($"The database file '{file}', or its -wal or -shm beside it, cannot be opened. {detail}.", innerException: inner),
            raw.SQLITE_NOMEM => new BackendUnavailableException($"SQLite ran out of memory on '{file}'. {detail}.", innerException: inner),
            _ => new BackendUnavailableException($"SQLite refused an operation on '{file}'. {detail}.", innerException: inner),
        };
    }

    /// <summary>Whether a fault says that another writer held the file for too long.</summary>
    public static bool IsBusy(Exception failure) =>
        failure is BackendUnavailableException { InnerException: SqliteErrorException error } && (error.Code & 0xff) is raw.SQLITE_BUSY or raw.SQLITE_LOCKED;
}

/// <summary>What SQLite itself reported; the inner exception of our faults.</summary>
internal sealed class SqliteErrorException(int code, string text) : Exception(text)
{
    /// <summary>The extended result code.</summary>
    public int Code { get; } = code;
}
