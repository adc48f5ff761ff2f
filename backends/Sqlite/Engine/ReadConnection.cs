namespace Millrace.Sqlite.Engine;

/// <summary>
/// The connection for looking: readers of a log-structured file neither wait for the writer nor hold it up. Looks are short and one at a time.
/// </summary>
internal sealed class ReadConnection<TTables> : IDisposable
    where TTables : class
{
    private readonly Lock _gate = new();
    private readonly TTables _tables;
    private readonly Statement _begin;
    private readonly Statement _end;
    private bool _isDisposed;

    public ReadConnection(Connection connection, Func<Connection, TTables> tables)
    {
        Connection = connection;
        connection.Execute("PRAGMA query_only=1");
        _begin = connection.Prepare("BEGIN");
        _end = connection.Prepare("COMMIT");
        _tables = tables(connection);
    }

    /// <summary>All statements, for the test of their plans.</summary>
    public Connection Connection { get; }

    /// <summary>Looks at one instant: everything that <paramref name="look"/> reads belongs together.</summary>
    public TResult Read<TResult>(Func<TTables, TResult> look)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(SqliteBackend));
            _begin.Run();
            try
            {
                return look(_tables);
            }
            finally
            {
                // A look that threw may have left a statement in the middle, which would hold its instant and keep the log from being reused.
                Connection.Reset();

                // Some faults have ended it; a second end would hide what they were.
                if (Connection.IsInTransaction)
                {
                    _end.Run();
                }
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            Connection.Dispose();
        }
    }
}
