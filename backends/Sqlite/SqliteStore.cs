using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Millrace.Sqlite.Engine;
using Millrace.Sqlite.Locks;
using Millrace.Sqlite.Queues;
using Millrace.Sqlite.Schema;
using Millrace.Sqlite.State;
using Millrace.Sqlite.Streams;
using Millrace.Sqlite.Waiting;
using Millrace.Storage;

namespace Millrace.Sqlite;

/// <summary>One opened database file: the writer, the reader, the watcher, and the sign of life. The shapes are views of it.</summary>
internal sealed class SqliteStore : IAsyncDisposable
{
    // How far the log grows, in pages of 4 KiB, before a commit moves it into the database. A queue writes the same pages again and again, so a longer log means
    // fewer page writes a message, and rarer commits that take longer; beyond 16 MiB nothing more is gained.
    private const int CheckpointPages = 4000;

    // What the log is cut down to when it is begun anew: a reader that stood still for long may have let it grow to any size.
    private const long LogBytesKept = 32 * 1024 * 1024;

    private readonly ConcurrentDictionary<string, int> _receivers = new(StringComparer.Ordinal);
    private readonly ILogger _logger;
    private readonly OwnerFile _ownerFile;
    private readonly OwnerTable _owners;
    private readonly ChangeWatcher _watcher;
    private readonly Upkeep _upkeep;
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _isSweeping;
    private int _isClosing;
    private volatile bool _isDisposed;

    private SqliteStore(SqliteOptions options, BackendContext context)
    {
        Options = options;
        _logger = context.LoggerFactory.CreateLogger("Millrace.Sqlite");
        SqliteVersion = NativeLibrarySetup.Ensure();
        Clock = new StoreClock(context.TimeProvider);
        Capabilities = new QueueCapabilities { Backend = "sqlite", Durability = options.Durability, SharedAcrossProcesses = true };
        var t = options.TablePrefix;
        LedgerContext = new LedgerContext(t, options.AutoCreate, Clock, Capabilities, HasReceivers);
        var opened = new Stack<IDisposable>();
        try
        {
            var writer = OpenConnection(create: true);
            opened.Push(writer);

            // The schema first: a file of another program is refused before its journal mode is touched.
            SchemaMigrations.Apply(writer, t);
            PrepareFile(writer);
            var ledger = new Ledger(writer, LedgerContext);
            Locks = new LockTable(writer, t);
            State = new StateTable(writer, t);
            Streams = new StreamTables(writer, t);
            _owners = new OwnerTable(writer, t);
            _ownerFile = OwnerFile.Create(options.File);
            opened.Push(_ownerFile);
            OwnerId = Register(ledger);
            var reader = OpenConnection(create: false);
            opened.Push(reader);
            Reader = new ReadConnection<ReadTables>(reader, connection => new ReadTables(connection, t));
            var watched = OpenConnection(create: false);
            opened.Push(watched);
            _watcher = new ChangeWatcher(watched, t, Signals, Sweep, _logger);
            Writer = new LedgerWriter(ledger, Signals, options.Durability, $"millrace writer of {Path.GetFileName(options.File)}");
            _upkeep = new Upkeep(this, _logger);
        }
        catch
        {
            while (opened.TryPop(out var resource))
            {
                resource.Dispose();
            }

            throw;
        }

        LogMessages.Opened(_logger, options.File, SqliteVersion, options.Durability);
    }

    public SqliteOptions Options { get; }

    public string SqliteVersion { get; }

    public StoreClock Clock { get; }

    public QueueCapabilities Capabilities { get; }

    public LedgerContext LedgerContext { get; }

    public StoreSignals Signals { get; } = new();

    public LedgerWriter Writer { get; }

    public ReadConnection<ReadTables> Reader { get; }

    /// <summary>The locks, on the writer's connection.</summary>
    public LockTable Locks { get; }

    /// <summary>The documents, on the writer's connection.</summary>
    public StateTable State { get; }

    /// <summary>The streams, on the writer's connection.</summary>
    public StreamTables Streams { get; }

    public long OwnerId { get; }

    /// <summary>Every kept statement, for the test of their plans.</summary>
    public IEnumerable<Statement> Statements => [.. Writer.Ledger.Connection.Statements, .. Reader.Connection.Statements, .. _watcher.Connection.Statements];

    /// <summary>Opens the file. Blocks while it does; call it off the caller's thread.</summary>
    public static SqliteStore Open(SqliteOptions options, BackendContext context) => new(options, context);

    /// <summary>Throws if an ordinary operation cannot be made here: the store is disposed, or this flow of control has written to the file in a transaction.</summary>
    public void RequireUsable()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, typeof(SqliteBackend));
        OutboxScope.RequireNone(Options.File);
    }

    public void AddReceiver(string queue) => _receivers.AddOrUpdate(queue, 1, static (_, count) => count + 1);

    public void RemoveReceiver(string queue) => _receivers.AddOrUpdate(queue, 0, static (_, count) => count - 1);

    public bool HasReceivers(string queue) =>
        _receivers.GetValueOrDefault(queue) > 0 || _receivers.GetValueOrDefault(ResourceName.DeadLetterQueueOf(queue)) > 0;

    /// <summary>Ends the leases and locks of processes that are gone.</summary>
    public async ValueTask SweepAsync(CancellationToken cancellationToken)
    {
        var ended = await Writer.RunAsync(SweepLocked, cancellationToken, needsFlush: false).ConfigureAwait(false);
        if (ended > 0)
        {
            Signals.Locks.WakeAll();
        }
    }

    /// <summary>Closes the file. Every call returns when it is closed; who waits for something is told that the store is gone.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isClosing, 1) != 0)
        {
            await _closed.Task.ConfigureAwait(false);
            return;
        }

        try
        {
            await _upkeep.DisposeAsync().ConfigureAwait(false);
            _isDisposed = true;
            await _watcher.DisposeAsync().ConfigureAwait(false);
            await RemoveOwnerAsync().ConfigureAwait(false);
        }
        finally
        {
            await CloseAsync().ConfigureAwait(false);
        }
    }

    /// <summary>
    /// The fault seam of the tests: ends as the death of the process would. Nothing is given back or unregistered; the kernel drops the lock on the owner's file.
    /// </summary>
    public async ValueTask AbandonAsync()
    {
        if (Interlocked.Exchange(ref _isClosing, 1) == 0)
        {
            await _upkeep.DisposeAsync().ConfigureAwait(false);
            _isDisposed = true;
            await _watcher.DisposeAsync().ConfigureAwait(false);
            await CloseAsync().ConfigureAwait(false);
        }
    }

    /// <summary>A new connection with this store's settings.</summary>
    public Connection OpenConnection(bool create)
    {
        var connection = Connection.Open(Options.File, create, Options.BusyTimeoutMs);
        try
        {
            connection.Execute("PRAGMA foreign_keys=0; PRAGMA temp_store=MEMORY");
            connection.SetPragma("cache_size", -Options.CacheKilobytes);
            connection.Execute(Options.Durability switch
            {
                // Full too begins with NORMAL: the writer turns on flushing for the commits that need it.
                StoreDurability.None => "PRAGMA synchronous=OFF",
                StoreDurability.Process => "PRAGMA synchronous=NORMAL",

                // macOS flushes to the drive's cache only, unless told otherwise; elsewhere these two have no effect.
                _ => "PRAGMA synchronous=NORMAL; PRAGMA fullfsync=1; PRAGMA checkpoint_fullfsync=1",
            });
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Makes safe what was committed without a flush. Blocks while it does.</summary>
    public void FlushLog()
    {
        // Moving the log into the database flushes the log first, also when a reader keeps it from being moved; not where the connection flushes nothing.
        using var connection = OpenConnection(create: false);
        connection.Execute("PRAGMA synchronous=NORMAL; PRAGMA wal_checkpoint(PASSIVE)");
    }

    /// <summary>Receivers that were not disposed give back now, as their own disposal would have.</summary>
    private async Task RemoveOwnerAsync()
    {
        try
        {
            await Writer.RunAsync(ledger => _owners.Remove(ledger, OwnerId, countAttempt: false), CancellationToken.None, needsFlush: false).ConfigureAwait(false);
        }
        catch (MillraceException fault)
        {
            // A full disk or a locked file: the next opening finds this owner gone and does the same.
            LogMessages.UpkeepFailed(_logger, Options.File, fault);
        }
    }

    private async Task CloseAsync()
    {
        try
        {
            await Writer.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            Reader.Dispose();
            _ownerFile.Dispose();

            // Not before: who is woken looks again, and only what is closed tells it to stop waiting.
            Signals.CloseAll();
            _closed.TrySetResult();
        }
    }

    private static void PrepareFile(Connection connection)
    {
        var mode = connection.QueryText("PRAGMA journal_mode=WAL");
        if (!string.Equals(mode, "wal", StringComparison.OrdinalIgnoreCase))
        {
            throw new MillraceConfigurationException(
                $"The database '{connection.File}' cannot be put into WAL mode (it stays in '{mode}'), which needs a local file system with shared memory. Use a file on a local disk.");
        }

        connection.SetPragma("wal_autocheckpoint", CheckpointPages);
        connection.SetPragma("journal_size_limit", LogBytesKept);
    }

    private long Register(Ledger ledger)
    {
        ledger.Begin();
        try
        {
            ledger.StartOperation();
            SweepLocked(ledger);
            var id = _owners.Add(ledger, _ownerFile.Instance, Clock.Domain);
            ledger.Commit();
            return id;
        }
        catch
        {
            ledger.Rollback();
            throw;
        }
    }

    private int SweepLocked(Ledger ledger)
    {
        var ended = 0;
        foreach (var (id, instance, process) in _owners.List())
        {
            if (id != OwnerId && OwnerFile.IsGone(Options.File, instance))
            {
                var leases = _owners.Remove(ledger, id, countAttempt: true);
                LogMessages.OwnerGone(_logger, process, Options.File, leases);
                ended++;
            }
        }

        return ended;
    }

    private void Sweep()
    {
        if (Interlocked.Exchange(ref _isSweeping, 1) == 0)
        {
            _ = SweepOnceAsync();
        }
    }

    private async Task SweepOnceAsync()
    {
        try
        {
            if (Reader.Read(tables => tables.CountOwners()) > 1)
            {
                await SweepAsync(CancellationToken.None).ConfigureAwait(false);
            }
        }
        catch (Exception fault) when (fault is MillraceException or ObjectDisposedException)
        {
            if (!_isDisposed)
            {
                LogMessages.UpkeepFailed(_logger, Options.File, fault);
            }
        }
        finally
        {
            Volatile.Write(ref _isSweeping, 0);
        }
    }
}
