using System.Globalization;
using Millrace.Sqlite.Locks;
using Millrace.Sqlite.Queues;
using Millrace.Sqlite.State;
using Millrace.Sqlite.Streams;
using Millrace.Storage;

namespace Millrace.Sqlite;

/// <summary>
/// The backend <c>sqlite:</c>: queues, streams, locks and state in one database file, durable, for one or several processes of one machine. Opened by
/// <c>sqlite:./data.db?durability=full&amp;prefix=millrace&amp;autocreate=true&amp;busyTimeoutMs=5000&amp;cacheKilobytes=32768</c>; the values shown are the defaults.
/// </summary>
public sealed class SqliteBackend : Backend, IHealthProbe
{
    private readonly SqliteStore _store;
    private readonly SqliteQueueStore _queues;

    private SqliteBackend(SqliteStore store)
    {
        _store = store;
        _queues = new SqliteQueueStore(store);
        Streams = new SqliteStreamStore(store);
        Locks = new SqliteLockStore(store);
        State = new SqliteStateStore(store);
    }

    /// <inheritdoc/>
    public override string Name => "sqlite";

    /// <inheritdoc/>
    public override IQueueStore Queues => _queues;

    /// <inheritdoc/>
    public override IStreamStore Streams { get; }

    /// <inheritdoc/>
    public override ILockStore Locks { get; }

    /// <inheritdoc/>
    public override IStateStore State { get; }

    /// <inheritdoc/>
    public override IHealthProbe Health => this;

    /// <summary>The opened file, for tests.</summary>
    internal SqliteStore Store => _store;

    /// <summary>Opens a database file, creating it if it does not exist.</summary>
    /// <param name="url">Names the file and the options.</param>
    /// <param name="context">Clock and log.</param>
    /// <param name="cancellationToken">Honoured before the file is touched.</param>
    /// <exception cref="MillraceConfigurationException">An option is wrong, the folder is missing or not writable, or the path is a directory.</exception>
    /// <exception cref="StorageCorruptException">The file is damaged, is no SQLite database, or was written by another program or a newer version.</exception>
    /// <exception cref="BackendUnavailableException">The file is locked, or the disk failed.</exception>
    public static async ValueTask<Backend> OpenAsync(BackendUrl url, BackendContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(url);
        ArgumentNullException.ThrowIfNull(context);
        var options = SqliteOptions.Parse(url);

        // Opening may recover a log of many megabytes, and SQLite's calls block.
        return new SqliteBackend(await Task.Run(() => SqliteStore.Open(options, context), cancellationToken).ConfigureAwait(false));
    }

    /// <inheritdoc/>
    public async ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default)
    {
        var start = _store.Clock.TimeProvider.GetTimestamp();
        string? error = null;
        try
        {
            // Through the committer and its lock on the file, and once past it with the reader.
            await _store.Writer.RunAsync(static ledger => ledger.Counters.Revision, cancellationToken, needsFlush: false).ConfigureAwait(false);
            _store.Reader.Read(static tables => tables.ReadRevision());
        }
        catch (Exception fault) when (fault is MillraceException or ObjectDisposedException)
        {
            error = fault.Message;
        }

        return new HealthReport(error is null, _store.Clock.TimeProvider.GetElapsedTime(start), error, Describe());
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => _store.DisposeAsync();

    private Dictionary<string, string> Describe()
    {
        var log = new FileInfo(_store.Options.File + "-wal");
        return new Dictionary<string, string>
        {
            ["durability"] = _store.Options.Durability.ToString().ToLowerInvariant(),
            ["sqlite"] = _store.SqliteVersion,
            ["file"] = Path.GetFileName(_store.Options.File),
            ["logBytes"] = (log.Exists ? log.Length : 0).ToString(CultureInfo.InvariantCulture),
        };
    }
}
