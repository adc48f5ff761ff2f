using System.Text;
using SQLitePCL;

namespace Millrace.Sqlite.Engine;

/// <summary>
/// A prepared statement, prepared at first use and kept. Parameters are numbered from 1, columns from 0. Belongs to the thread that uses its connection.
/// Whoever steps it to a row resets it when done.
/// </summary>
internal sealed class Statement : IDisposable
{
    private readonly Connection _connection;
    private sqlite3_stmt? _handle;

    public Statement(Connection connection, string sql) => (_connection, Sql) = (connection, sql);

    public string Sql { get; }

    private sqlite3_stmt Handle => _handle ??= _connection.PrepareHandle(Sql);

    public Statement Bind(int index, long value)
    {
        Check(raw.sqlite3_bind_int64(Handle, index, value));
        return this;
    }

    public Statement Bind(int index, long? value) => value is { } number ? Bind(index, number) : BindNull(index);

    public Statement Bind(int index, ReadOnlySpan<byte> value)
    {
        Check(value.IsEmpty ? raw.sqlite3_bind_zeroblob(Handle, index, 0) : raw.sqlite3_bind_blob(Handle, index, value));
        return this;
    }

    public Statement Bind(int index, string? value)
    {
        if (value is null)
        {
            return BindNull(index);
        }

        // As bytes with a length: a text may contain a NUL, at which one without would end. An empty span would be NULL.
        Check(value.Length == 0 ? raw.sqlite3_bind_text(Handle, index, value) : raw.sqlite3_bind_text(Handle, index, Encoding.UTF8.GetBytes(value)));
        return this;
    }

    public Statement BindNull(int index)
    {
        Check(raw.sqlite3_bind_null(Handle, index));
        return this;
    }

    /// <summary>Goes to the next row; at the end resets the statement and returns false.</summary>
    public bool Step()
    {
        var code = raw.sqlite3_step(Handle);
        switch (code)
        {
            case raw.SQLITE_ROW:
                return true;
            case raw.SQLITE_DONE:
                raw.sqlite3_reset(_handle!);
                return false;
            default:
                var failure = _connection.Failure(code);
                raw.sqlite3_reset(_handle!);
                throw failure;
        }
    }

    /// <summary>Runs a statement that returns no rows that matter.</summary>
    public void Run()
    {
        if (Step())
        {
            Reset();
        }
    }

    /// <summary>Runs a statement that changes rows.</summary>
    /// <returns>How many it changed.</returns>
    public int Change()
    {
        Run();
        return raw.sqlite3_changes(_connection.Handle);
    }

    /// <summary>The first column of the first row as a number, or null when there is no row or it is NULL.</summary>
    public long? Scalar()
    {
        if (!Step())
        {
            return null;
        }

        long? value = IsNull(0) ? null : Int64(0);
        Reset();
        return value;
    }

    public void Reset()
    {
        if (_handle is not null)
        {
            raw.sqlite3_reset(_handle);
        }
    }

    public long Int64(int column) => raw.sqlite3_column_int64(_handle!, column);

    public int Int32(int column) => raw.sqlite3_column_int(_handle!, column);

    public bool IsNull(int column) => raw.sqlite3_column_type(_handle!, column) == raw.SQLITE_NULL;

    public bool IsText(int column) => raw.sqlite3_column_type(_handle!, column) == raw.SQLITE_TEXT;

    public long? NullableInt64(int column) => IsNull(column) ? null : Int64(column);

    /// <summary>The bytes of a blob; valid until the next step or reset.</summary>
    public ReadOnlySpan<byte> Blob(int column) => raw.sqlite3_column_blob(_handle!, column);

    public string? Text(int column) => IsNull(column) ? null : Encoding.UTF8.GetString(raw.sqlite3_column_blob(_handle!, column));

    private void Check(int code)
    {
        if (code != raw.SQLITE_OK)
        {
            throw _connection.Failure(code);
        }
    }

    public void Dispose()
    {
        _handle?.Dispose();
        _handle = null;
    }
}
