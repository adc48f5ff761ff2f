using System.Globalization;
using SQLitePCL;

namespace Millrace.Sqlite.Engine;

/// <summary>
/// One connection to the database file with its prepared statements. For one thread at a time. Either opened here, or around the handle of a caller's
/// connection, which then stays the caller's.
/// </summary>
internal sealed class Connection : IDisposable
{
    // Never set: to wait for it is to let time pass on a thread that has to block.
    private static readonly ManualResetEventSlim Never = new(false, spinCount: 0);

    private static readonly TimeSpan BusyPause = TimeSpan.FromMilliseconds(1);
    private readonly List<Statement> _statements = [];
    private readonly bool _isOwned;
    private readonly int _busyTimeoutMs;
    private readonly Statement _begin;
    private readonly Statement _commit;
    private readonly Statement _rollback;
    private readonly Statement _dataVersion;

    /// <summary>Wraps the handle of a caller's connection.</summary>
    public Connection(sqlite3 handle, string file)
        : this(handle, file, isOwned: false, busyTimeoutMs: 0)
    {
    }

    private Connection(sqlite3 handle, string file, bool isOwned, int busyTimeoutMs)
    {
        _busyTimeoutMs = busyTimeoutMs;
        (Handle, File, _isOwned) = (handle, file, isOwned);

        // IMMEDIATE: a transaction that begins as a reader and then writes may fail half-way with a stale snapshot.
        _begin = Prepare("BEGIN IMMEDIATE");
        _commit = Prepare("COMMIT");
        _rollback = Prepare("ROLLBACK");
        _dataVersion = Prepare("PRAGMA data_version");
    }

    public sqlite3 Handle { get; }

    public string File { get; }

    public IReadOnlyList<Statement> Statements => _statements;

    public bool IsInTransaction => raw.sqlite3_get_autocommit(Handle) == 0;

    /// <summary>Opens the file.</summary>
    /// <param name="file">The path.</param>
    /// <param name="create">Whether to create it when it is missing.</param>
    /// <param name="busyTimeoutMs">How long statements wait for another writer.</param>
    /// <exception cref="MillraceConfigurationException">The file exists and cannot be written.</exception>
    public static Connection Open(string file, bool create, int busyTimeoutMs)
    {
        // NOMUTEX: every connection here is used by one thread at a time, under locks of our own.
        var flags = raw.SQLITE_OPEN_READWRITE | raw.SQLITE_OPEN_NOMUTEX | (create ? raw.SQLITE_OPEN_CREATE : 0);
        var code = raw.sqlite3_open_v2(file, out var handle, flags, null);
        if (code != raw.SQLITE_OK)
        {
            var failure = SqliteFailure.From(handle, code, file);
            handle?.Dispose();
            throw failure;
        }

        // SQLite quietly opens for reading what it may not write.
        if (raw.sqlite3_db_readonly(handle, "main") == 1)
        {
            handle.Dispose();
            throw new MillraceConfigurationException($"The database '{file}' cannot be written: its permissions, or its file system, allow only reading.");
        }

        raw.sqlite3_extended_result_codes(handle, 1);
        raw.sqlite3_busy_timeout(handle, busyTimeoutMs);
        return new Connection(handle, file, isOwned: true, busyTimeoutMs);
    }

    public Statement Prepare(string sql)
    {
        var statement = new Statement(this, sql);
        _statements.Add(statement);
        return statement;
    }

    /// <summary>
    /// Begins a transaction that writes, waiting for other writers for as long as the busy timeout says. SQLite's own wait looks every 100 ms in the end, and
    /// beside a writer that commits without a pause it may never look in the right instant.
    /// </summary>
    public void Begin()
    {
        if (_busyTimeoutMs == 0)
        {
            _begin.Run();
            return;
        }

        raw.sqlite3_busy_timeout(Handle, 0);
        try
        {
            var start = Environment.TickCount64;
            while (!TryBegin(isLast: Environment.TickCount64 - start >= _busyTimeoutMs))
            {
                Pause(BusyPause);
            }
        }
        finally
        {
            raw.sqlite3_busy_timeout(Handle, _busyTimeoutMs);
        }
    }

    /// <summary>Blocks the thread for about <paramref name="time"/>, so that another process may have its turn at the file.</summary>
    public static void Pause(TimeSpan time) => Never.Wait(time);

    public void Commit()
    {
        try
        {
            _commit.Run();
        }
        catch (BackendUnavailableException)
        {
            throw SqliteFailure.From(Handle, raw.sqlite3_extended_errcode(Handle), File, isCommit: true);
        }
    }

    /// <summary>Rolls back if a transaction is still open: SQLite itself ends it on some faults.</summary>
    public void Rollback()
    {
        Reset();
        if (IsInTransaction)
        {
            _rollback.Run();
        }
    }

    /// <summary>Ends every statement that stands at a row.</summary>
    public void Reset()
    {
        foreach (var statement in _statements)
        {
            statement.Reset();
        }
    }

    /// <summary>A number that changes when another connection, of this process or another, has committed to the file.</summary>
    public long ReadDataVersion() => _dataVersion.Scalar() ?? 0;

    /// <summary>Runs statements that are not kept.</summary>
    public void Execute(string sql)
    {
        while (sql.Length > 0)
        {
            Check(raw.sqlite3_prepare_v2(Handle, sql, out var handle, out var rest));
            using (handle)
            {
                if (handle is { IsInvalid: false })
                {
                    int code;
                    do
                    {
                        code = raw.sqlite3_step(handle);
                    }
                    while (code == raw.SQLITE_ROW);

                    if (code != raw.SQLITE_DONE)
                    {
                        throw Failure(code);
                    }
                }
            }

            sql = rest.Trim();
        }
    }

    /// <summary>The first column of the first row as text.</summary>
    public string? QueryText(string sql)
    {
        using var statement = new Statement(this, sql);
        return statement.Step() ? statement.Text(0) : null;
    }

    /// <summary>The first column of the first row as a number.</summary>
    public long? QueryNumber(string sql)
    {
        using var statement = new Statement(this, sql);
        return statement.Scalar();
    }

    public void SetPragma(string name, long value) => Execute(string.Create(CultureInfo.InvariantCulture, $"PRAGMA {name}={value}"));

    public sqlite3_stmt PrepareHandle(string sql)
    {
        Check(raw.sqlite3_prepare_v3(Handle, sql, raw.SQLITE_PREPARE_PERSISTENT, out var statement));
        return statement;
    }

    public MillraceException Failure(int code) => SqliteFailure.From(Handle, raw.sqlite3_extended_errcode(Handle) is var extended and not 0 ? extended : code, File);

    public void Dispose()
    {
        foreach (var statement in _statements)
        {
            statement.Dispose();
        }

        if (_isOwned)
        {
            Handle.Dispose();
        }
    }

    private bool TryBegin(bool isLast)
    {
        try
        {
            _begin.Run();
            return true;
        }
        catch (BackendUnavailableException failure) when (!isLast && SqliteFailure.IsBusy(failure))
        {
            return false;
        }
    }

    private void Check(int code)
    {
        if (code != raw.SQLITE_OK)
        {
            throw Failure(code);
        }
    }
}
