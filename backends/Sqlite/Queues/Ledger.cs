using Millrace.Sqlite.Engine;
using Millrace.Storage;

namespace Millrace.Sqlite.Queues;

/// <summary>
/// Everything that can be done to queues inside one transaction of one connection. The committer's thread has one that lives as long as the store; an outbox
/// call makes one on its caller's connection. What is cached is valid until another connection commits, which <see cref="Begin"/> finds out.
/// </summary>
internal sealed class Ledger : IDisposable
{
    private readonly StoreClock _clock;
    private readonly LedgerContext _context;
    private readonly Statement _savepoint;
    private readonly Statement _release;
    private readonly Statement _rollbackTo;
    private readonly Dictionary<string, int> _arrivals = new(StringComparer.Ordinal);
    private readonly Statement _otherOwners;
    private long _dataVersion = -1;
    private bool? _isShared;

    public Ledger(Connection connection, LedgerContext context)
    {
        var t = context.TablePrefix;
        Connection = connection;
        _context = context;
        _clock = context.Clock;
        Counters = new StoreCounters(connection, t, context.Capabilities.Durability == StoreDurability.Full ? null : _clock);
        Catalog = new Catalog(connection, t);
        Messages = new MessageTable(connection, t);
        Places = new PlaceTable(connection, t);
        Leases = new LeaseTable(connection, t);
        Ids = new IdWindow(connection, t, Counters);
        Bindings = new BindingTable(connection, t, Counters);
        Moves = new MessageMoves(Catalog, Messages, Places, Ids, Counters);
        Calendar = new Calendar(connection, t, _clock.Domain, Catalog, Messages, Places, Leases, Moves);
        Intake = new Intake(this, context.Capabilities);
        Dispenser = new Dispenser(this, connection, t);
        Settler = new Settler(this, context.Capabilities.MaxDelay);
        Hidden = new HiddenTable(this, connection, t);
        _savepoint = connection.Prepare("SAVEPOINT millrace");
        _release = connection.Prepare("RELEASE millrace");
        _rollbackTo = connection.Prepare("ROLLBACK TO millrace");
        _otherOwners = connection.Prepare($"SELECT count(*) FROM (SELECT 1 FROM {t}owner WHERE id > 0 LIMIT 2)");
    }

    public Connection Connection { get; }

    public string TablePrefix => _context.TablePrefix;

    public StoreCounters Counters { get; }

    public Catalog Catalog { get; }

    public MessageTable Messages { get; }

    public PlaceTable Places { get; }

    public LeaseTable Leases { get; }

    public IdWindow Ids { get; }

    public BindingTable Bindings { get; }

    public MessageMoves Moves { get; }

    public Calendar Calendar { get; }

    public Intake Intake { get; }

    public Dispenser Dispenser { get; }

    public Settler Settler { get; }

    public HiddenTable Hidden { get; }

    /// <summary>The instant of the running operation, in wall ticks.</summary>
    public long Wall { get; private set; }

    /// <summary>The instant of the running operation, in monotonic ticks.</summary>
    public long Monotonic { get; private set; }

    /// <summary>Queues in which messages became leasable, or will earlier than was known; how many. Of the last transaction.</summary>
    public IReadOnlyDictionary<string, int> Arrivals => _arrivals;

    /// <summary>Whether other stores, of this process or others, are open on the file, or ended without a word and are not swept yet. In a transaction.</summary>
    public bool IsShared => _isShared ??= _otherOwners.Scalar() > 1;

    /// <summary>A store was opened or has ended.</summary>
    public void ForgetOwners() => _isShared = null;

    public void Begin()
    {
        _arrivals.Clear();
        Connection.Begin();
        ForgetIfChanged();
    }

    /// <summary>Reads the clocks for the next operation.</summary>
    public void StartOperation() => (Wall, Monotonic) = (_clock.Wall, _clock.Monotonic);

    public void Commit()
    {
        Flush();
        Connection.Commit();
        CollectArrivals();
    }

    public void Rollback()
    {
        Forget();
        Connection.Rollback();
    }

    /// <summary>Writes everything that was gathered.</summary>
    public void Flush()
    {
        Messages.FlushDeletes();
        Leases.Flush();
        Catalog.Flush();
        Counters.Flush();
    }

    /// <summary>Runs <paramref name="work"/> so that all of it is undone if it throws or returns false; what happened before it in the transaction stays.</summary>
    public bool AllOrNothing(Func<Ledger, bool> work)
    {
        Flush();
        CollectArrivals();
        _savepoint.Run();
        var done = false;
        try
        {
            done = work(this);
            if (done)
            {
                Flush();
            }
        }
        finally
        {
            // Some faults have ended the whole transaction; then there is no savepoint to go back to, and the commit's owner finds out.
            if (!done)
            {
                Forget();
                if (Connection.IsInTransaction)
                {
                    _rollbackTo.Run();
                    _release.Run();
                }
            }
        }

        if (done)
        {
            _release.Run();
        }

        return done;
    }

    /// <summary>A queue, brought to now; created if need be and allowed.</summary>
    /// <exception cref="QueueNotFoundException">There is none, and queues are not created on demand.</exception>
    public QueueRow OpenOrCreate(string name)
    {
        var source = ResourceName.SourceOf(name);
        if (TryOpen(name) is { } row)
        {
            return row;
        }

        if (!_context.AutoCreate)
        {
            throw new QueueNotFoundException(name);
        }

        Catalog.Create(source, QueueSettings.Default, Wall);
        return Catalog.Require(name);
    }

    /// <summary>A queue, brought to now.</summary>
    /// <exception cref="QueueNotFoundException">There is none.</exception>
    public QueueRow Open(string name) => TryOpen(name) ?? throw new QueueNotFoundException(name);

    /// <summary>A queue, brought to now; null if there is none.</summary>
    public QueueRow? TryOpen(string name)
    {
        var row = Catalog.Find(name);
        if (row is null)
        {
            return null;
        }

        // Both of the pair: messages move between them, and those that became due before must stand before those that come now.
        Calendar.Advance(row, Wall, Monotonic);
        Calendar.Advance(row.IsDeadLetterQueue ? Catalog.SourceOf(row) : Catalog.DeadLetterQueueOf(row), Wall, Monotonic);
        if (row.Settings.DeleteAfterIdle is { } idle)
        {
            var source = Catalog.SourceOf(row);
            if (IsIdle(source, idle))
            {
                Delete(source);
                return null;
            }

            source.UsedAt = Wall;
            Catalog.Changed(source);
        }

        return row;
    }

    /// <summary>Deletes a queue if it has been idle for as long as its settings say.</summary>
    public bool DeleteIfIdle(string name)
    {
        if (Catalog.Find(name) is not { IsDeadLetterQueue: false, Settings.DeleteAfterIdle: { } idle } row)
        {
            return false;
        }

        if (_context.HasReceivers(name))
        {
            row.UsedAt = Wall;
            Catalog.Changed(row);
            return false;
        }

        if (!IsIdle(row, idle))
        {
            return false;
        }

        Delete(row);
        return true;
    }

    /// <summary>Hides a queue and its dead letters, and frees its bindings; its messages are removed by <see cref="QueueRemoval"/>.</summary>
    public void Delete(QueueRow row)
    {
        Flush();
        CollectArrivals();
        Bindings.DeleteAll(row.Id);
        Catalog.Hide(Catalog.DeadLetterQueueOf(row));
        Catalog.Hide(Catalog.Find(row.Id)!);
        Leases.Forget();
    }

    public void Dispose() => Connection.Dispose();

    /// <summary>Forgets what was cached if another connection has committed since.</summary>
    public void ForgetIfChanged()
    {
        var version = Connection.ReadDataVersion();
        if (version != _dataVersion)
        {
            Forget();
            _dataVersion = version;
        }
    }

    private bool IsIdle(QueueRow row, TimeSpan idle) =>
        row.Length == 0
        && StoreClock.After(row.UsedAt, idle) <= Wall
        && StoreClock.After(StoreClock.After(row.UsedAt, idle), GraceOf(idle)) <= Wall
        && Catalog.DeadLetterQueueOf(row).Length == 0
        && !_context.HasReceivers(row.Name);

    /// <summary>Receivers of other processes are not known; theirs keep the queue's time of use new, so it is given twice what they take to do that.</summary>
    private TimeSpan GraceOf(TimeSpan idle) => IsShared ? 2 * QueueRemoval.RefreshIntervalOf(idle) : TimeSpan.Zero;

    private void Forget()
    {
        _isShared = null;
        Catalog.ClearChanges();
        Catalog.Forget();
        Counters.Forget();
        Leases.Forget();
        Messages.Forget();
        Bindings.Forget();
    }

    private void CollectArrivals()
    {
        foreach (var row in Catalog.Dirty)
        {
            if (row.Arrived > 0 || row.HasEarlierEvent)
            {
                _arrivals[row.Name] = _arrivals.GetValueOrDefault(row.Name) + Math.Max(1, row.Arrived);
            }

            if (row is { HasEarlierDeath: true, IsDeadLetterQueue: false })
            {
                var dead = ResourceName.DeadLetterQueueOf(row.Name);
                _arrivals[dead] = _arrivals.GetValueOrDefault(dead) + 1;
            }
        }

        Catalog.ClearChanges();
    }
}

/// <summary>What a ledger needs to know of its store.</summary>
/// <param name="TablePrefix">The prefix of the tables' names, with its underscore.</param>
/// <param name="AutoCreate">Whether queues are created on demand.</param>
/// <param name="Clock">The store's clock.</param>
/// <param name="Capabilities">Limits.</param>
/// <param name="HasReceivers">Whether this process has open receivers on a queue.</param>
internal sealed record LedgerContext(string TablePrefix, bool AutoCreate, StoreClock Clock, QueueCapabilities Capabilities, Func<string, bool> HasReceivers);
