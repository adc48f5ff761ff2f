using Microsoft.Extensions.Logging;
using Millrace.Sqlite.Engine;

namespace Millrace.Sqlite.Waiting;

/// <summary>
/// Finds out what other processes, and transactions of the application itself, have committed, and wakes who waits for it. While somebody waits, it reads
/// SQLite's change counter every <see cref="Interval"/>: a look into shared memory of some microseconds. File notifications would not do: what a commit
/// changes first is the memory-mapped index of the log, of which inotify knows nothing, and they cost more than the look.
/// </summary>
internal sealed class ChangeWatcher : IAsyncDisposable
{
    /// <summary>A quarter of the 100 ms that a wake across processes may take.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(25);

    // Dead processes are looked for about once a second.
    private const int TicksPerSweep = 40;

    // Real time, whatever clock the store has: other processes do not follow a clock of ours.
    private static readonly TimeProvider RealTime = TimeProvider.System;

    private readonly Lock _gate = new();
    private readonly Connection _connection;
    private readonly StoreSignals _signals;
    private readonly Action _sweep;
    private readonly ILogger _logger;
    private readonly Statement _queueState;
    private readonly Statement _leasable;
    private readonly Statement _partitionEnd;
    private readonly ITimer _timer;
    private long _version = -1;
    private int _ticks;
    private bool _isDisposed;

    /// <summary>A watcher on a connection of its own.</summary>
    /// <param name="connection">The watcher's from now on.</param>
    /// <param name="t">The table prefix.</param>
    /// <param name="signals">Who waits.</param>
    /// <param name="sweep">Looks for dead processes; returns at once.</param>
    /// <param name="logger">Where faults of the watch go.</param>
    public ChangeWatcher(Connection connection, string t, StoreSignals signals, Action sweep, ILogger logger)
    {
        (_connection, _signals, _sweep, _logger) = (connection, signals, sweep, logger);

        // With a dead-letter queue, also when messages of its source may die: it ends there.
        _queueState = connection.Prepare(
            $"SELECT q.id, q.next_due, q.next_expiry, q.next_lease, s.next_expiry, s.next_lease FROM {t}queue q CROSS JOIN {t}queue s ON s.id = (q.id & ~1) WHERE q.name = ?1");
        _leasable = connection.Prepare($"SELECT count(*) FROM (SELECT 1 FROM {t}ready WHERE queue = ?1 AND lane = 0 LIMIT ?2)");
        _partitionEnd = connection.Prepare($"SELECT next FROM {t}partition WHERE id = ?1 AND name <> ''");
        _timer = RealTime.CreateTimer(static state => ((ChangeWatcher)state!).Tick(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        signals.FirstWaiter = () => _timer.Change(Interval, Timeout.InfiniteTimeSpan);
    }

    /// <summary>All statements, for the test of their plans.</summary>
    public Connection Connection => _connection;

    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync().ConfigureAwait(false);
        lock (_gate)
        {
            _isDisposed = true;
            _connection.Dispose();
        }
    }

    private void Tick()
    {
        var sweep = false;
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            try
            {
                Look();
            }
            catch (MillraceException fault)
            {
                // A look that fails, as on a locked file, is repeated at the next tick; who waits loses nothing but time.
                LogMessages.WatchFailed(_logger, _connection.File, fault);
            }

            if (_signals.HasWaiters)
            {
                sweep = ++_ticks % TicksPerSweep == 0;
                _timer.Change(Interval, Timeout.InfiniteTimeSpan);
            }
        }

        if (sweep)
        {
            _sweep();
        }
    }

    private void Look()
    {
        var version = _connection.ReadDataVersion();
        if (version == _version)
        {
            return;
        }

        _version = version;
        foreach (var (name, waiters) in _signals.WaitedQueues())
        {
            _queueState.Bind(1, name);
            if (!_queueState.Step())
            {
                continue;
            }

            var id = _queueState.Int64(0);
            var events = (_queueState.Int64(1), _queueState.Int64(2), _queueState.Int64(3), _queueState.Int64(4), _queueState.Int64(5));
            _queueState.Reset();
            var count = (int)(_leasable.Bind(1, id).Bind(2, waiters.Count).Scalar() ?? 0);
            if (count == 0 && waiters.LastEvents != events)
            {
                // Something will happen at another time than was known: one of them looks, and sets its timer anew.
                count = 1;
            }

            waiters.LastEvents = events;
            waiters.Wake(count);
        }

        foreach (var feed in _signals.Partitions.Waited())
        {
            if (_partitionEnd.Bind(1, feed.Id).Scalar() is { } end)
            {
                feed.Advance(end);
            }
            else
            {
                feed.FailDeleted();
            }
        }

        _signals.Locks.WakeAll();
        _signals.State.WakeAll();
    }
}
