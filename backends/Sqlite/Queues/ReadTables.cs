using Millrace.Sqlite.Engine;
using Millrace.Sqlite.Locks;
using Millrace.Sqlite.State;
using Millrace.Sqlite.Streams;
using Millrace.Storage;

namespace Millrace.Sqlite.Queues;

/// <summary>What can be looked at without the writer.</summary>
internal sealed class ReadTables
{
    private readonly Catalog _catalog;
    private readonly StoreCounters _counters;
    private readonly PlaceTable _places;
    private readonly LeaseTable _leases;
    private readonly IdWindow _ids;
    private readonly BindingTable _bindings;
    private readonly Statement _message;
    private readonly Statement _firstReady;
    private readonly Statement _scheduled;
    private readonly Statement _countOwners;
    private readonly Statement _idleCandidates;
    private readonly Statement _hidden;

    public ReadTables(Connection connection, string t)
    {
        _catalog = new Catalog(connection, t);
        _counters = new StoreCounters(connection, t);
        _places = new PlaceTable(connection, t);
        _leases = new LeaseTable(connection, t);
        _ids = new IdWindow(connection, t, _counters);
        _bindings = new BindingTable(connection, t, _counters);
        Locks = new LockTable(connection, t);
        State = new StateTable(connection, t);
        Streams = new StreamTables(connection, t);
        _message = connection.Prepare($"SELECT {MessageReader.Columns}, m.queue FROM {t}message m WHERE m.number = ?1");
        _firstReady = connection.Prepare(
            $"SELECT m.enqueued_at FROM {t}ready r CROSS JOIN {t}message m ON m.number = r.number WHERE r.queue = ?1 AND r.lane = ?2 AND r.rank >= ?3 AND r.rank < ?4 ORDER BY r.rank LIMIT 1");
        _scheduled = connection.Prepare(
            $"SELECT due, number FROM {t}scheduled WHERE queue = ?1 AND (due, number) > (?2, ?3) ORDER BY due, number LIMIT ?4");
        _countOwners = connection.Prepare($"SELECT count(*) FROM {t}owner WHERE id > 0");
        _idleCandidates = connection.Prepare($"SELECT name, delete_after_idle FROM {t}queue WHERE id > 0");
        _hidden = connection.Prepare($"SELECT id FROM {t}queue WHERE name >= ?1 AND name < ?2");
    }

    public LockTable Locks { get; }

    public StateTable State { get; }

    public StreamTables Streams { get; }

    public long CountOwners() => _countOwners.Scalar() ?? 0;

    /// <summary>The queues that are deleted when idle. Looks at every queue, of which there are few beside messages.</summary>
    public List<(string Name, TimeSpan Idle)> ListIdleCandidates()
    {
        var names = new List<(string, TimeSpan)>();
        while (_idleCandidates.Step())
        {
            if (!_idleCandidates.IsNull(1))
            {
                names.Add((_idleCandidates.Text(0)!, TimeSpan.FromTicks(_idleCandidates.Int64(1))));
            }
        }

        return names;
    }

    /// <summary>The queues whose deletion is not finished.</summary>
    public List<long> ListHidden()
    {
        var ids = new List<long>();
        _hidden.Bind(1, Catalog.DeletedPrefix).Bind(2, "\u0002");
        while (_hidden.Step())
        {
            ids.Add(_hidden.Int64(0));
        }

        return ids;
    }

    public long ReadRevision()
    {
        _counters.Forget();
        return _counters.Revision;
    }

    /// <summary>A queue as it is now.</summary>
    public QueueRow? FindQueue(string name)
    {
        _catalog.Forget();
        return _catalog.Find(name);
    }

    public QueueRow DeadLetterQueueOf(QueueRow row) => _catalog.DeadLetterQueueOf(row);

    public QueueRow SourceOf(QueueRow row) => _catalog.SourceOf(row);

    public List<string> ListQueues(string prefix, string after, int limit, Func<QueueRow, bool> isIdle)
    {
        _catalog.Forget();
        var names = new List<string>();
        while (names.Count < limit)
        {
            var page = _catalog.List(prefix, after, limit);
            foreach (var (name, id) in page)
            {
                after = name;
                if (!name.StartsWith(prefix, StringComparison.Ordinal))
                {
                    // Hidden names begin with a control character and so come first of all: skipped, not the end.
                    if (!Catalog.IsDeletedName(name))
                    {
                        return names;
                    }
                }
                else if (!Catalog.IsDeletedName(name) && (id & 1) == 0 && names.Count < limit && !(_catalog.Find(name) is { } row && isIdle(row)))
                {
                    names.Add(name);
                }
            }

            if (page.Count < limit)
            {
                break;
            }
        }

        return names;
    }

    /// <summary>Whether a publish to a topic reaches a queue now.</summary>
    public bool IsBound(string topic) => _bindings.MatchesAny(topic);

    public List<QueueBinding> ListBindings(string? queue)
    {
        _catalog.Forget();
        _bindings.Forget();
        var bindings = new List<QueueBinding>();
        foreach (var (id, pattern) in _bindings.All())
        {
            if (_catalog.Find(id) is { } row && (queue is null || row.Name == queue))
            {
                bindings.Add(new QueueBinding(row.Name, pattern));
            }
        }

        bindings.Sort(static (left, right) =>
            string.CompareOrdinal(left.Queue, right.Queue) is var byQueue and not 0 ? byQueue : string.CompareOrdinal(left.Pattern.Text, right.Pattern.Text));
        return bindings;
    }

    /// <summary>When the message was enqueued that stands first among those of its priority: the oldest of them.</summary>
    public long? OldestReady(QueueRow queue)
    {
        long? oldest = null;
        for (var lane = PlaceTable.Leasable; lane <= PlaceTable.Blocked && queue.Ready > 0; lane++)
        {
            for (var priority = MessagePriority.Lowest; priority <= MessagePriority.Highest; priority++)
            {
                var first = _firstReady.Bind(1, queue.Id).Bind(2, lane)
                    .Bind(3, StoredMessage.RankOf(priority, 0)).Bind(4, StoredMessage.RankOf(priority - 1, 0)).Scalar();
                oldest = first is null || first > oldest ? oldest : first;
            }
        }

        return oldest;
    }

    public BrowsePage Browse(QueueRow queue, BrowseQuery query)
    {
        _leases.Forget();
        var (first, second) = Continuation.Parse(query.Continuation);
        return query.State switch
        {
            MessageState.Ready => BrowseReady(queue, first, query.Limit),
            MessageState.Scheduled => BrowseScheduled(queue, first, second, query.Limit),
            _ => BrowseLeased(queue, first, (int)second, query.Limit),
        };
    }

    /// <summary>The living messages with an id, oldest first.</summary>
    public List<long> FindNumbers(QueueRow queue, MessageId id) => NumbersOf(_ids, _counters, queue, id);

    /// <summary>The living messages that bear an id: by the window of ids, and by the number in it if this store may have assigned it.</summary>
    public static List<long> NumbersOf(IdWindow ids, StoreCounters counters, QueueRow queue, MessageId id)
    {
        var numbers = ids.FindLiving(queue.Id, id);
        if (id.TryGetUuid(out var uuid) && StoredId.TryGetNumber(uuid, counters.Salt, out var number) && !numbers.Contains(number))
        {
            numbers.Add(number);
            numbers.Sort();
        }

        return numbers;
    }

    /// <summary>One message; null if the number is not one of this queue, or its id is another.</summary>
    public BrowsedMessage? Find(QueueRow queue, long number, MessageId id)
    {
        _message.Bind(1, number);
        if (!_message.Step())
        {
            return null;
        }

        var rank = _message.Int64(MessageReader.Rank);
        var isDue = _message.IsNull(MessageReader.Due);
        var found = _message.Int64(MessageReader.Due + 1) == queue.Id ? Browsed(MessageState.Leased) : null;
        _message.Reset();
        if (found is null || (!id.IsEmpty && found.Message.Id != id))
        {
            return null;
        }

        var state = !isDue ? MessageState.Scheduled : _places.IsReady(queue, rank) ? MessageState.Ready : MessageState.Leased;
        return state == MessageState.Leased ? found : found with { State = state, Attempts = found.Attempts - 1 };
    }

    private BrowsePage BrowseReady(QueueRow queue, long afterRank, int limit)
    {
        var messages = new List<BrowsedMessage>();
        var last = 0L;
        foreach (var number in new ReadyCursor(_places, queue, afterRank, long.MaxValue).Numbers())
        {
            if (messages.Count == limit)
            {
                return new BrowsePage(messages, Continuation.Format(last, 0));
            }

            Add(messages, number, MessageState.Ready, ref last);
        }

        return new BrowsePage(messages, null);
    }

    private BrowsePage BrowseScheduled(QueueRow queue, long afterDue, long afterNumber, int limit)
    {
        var page = new List<(long Due, long Number)>();
        _scheduled.Bind(1, queue.Id).Bind(2, afterDue).Bind(3, afterNumber).Bind(4, limit + 1);
        while (_scheduled.Step())
        {
            page.Add((_scheduled.Int64(0), _scheduled.Int64(1)));
        }

        var messages = new List<BrowsedMessage>();
        var rank = 0L;
        for (var i = 0; i < Math.Min(limit, page.Count); i++)
        {
            Add(messages, page[i].Number, MessageState.Scheduled, ref rank);
        }

        return new BrowsePage(messages, page.Count > limit ? Continuation.Format(page[limit - 1].Due, page[limit - 1].Number) : null);
    }

    private BrowsePage BrowseLeased(QueueRow queue, long fromLease, int fromIndex, int limit)
    {
        var messages = new List<BrowsedMessage>();
        var rank = 0L;
        var after = fromLease == long.MinValue ? fromLease : fromLease - 1;
        while (true)
        {
            var page = _leases.List(queue.Id, after, 64);
            foreach (var (id, _, _) in page)
            {
                after = id;
                var lease = _leases.Find(queue.Id, id);
                for (var i = id == fromLease ? fromIndex : 0; i < lease?.Entries.Length; i++)
                {
                    if (messages.Count == limit)
                    {
                        return new BrowsePage(messages, Continuation.Format(id, i));
                    }

                    if (lease.IsOpen(i))
                    {
                        Add(messages, lease.Entries[i].Number, MessageState.Leased, ref rank);
                    }
                }
            }

            if (page.Count == 0)
            {
                return new BrowsePage(messages, null);
            }
        }
    }

    private void Add(List<BrowsedMessage> messages, long number, MessageState state, ref long rank)
    {
        if (_message.Bind(1, number).Step())
        {
            rank = _message.Int64(MessageReader.Rank);
            messages.Add(Browsed(state));
            _message.Reset();
        }
    }

    private BrowsedMessage Browsed(MessageState state) => new(
        MessageReader.Read(_message, _counters.Salt),
        state,
        (int)(_message.Int64(MessageReader.Tries) >> 1) + (state == MessageState.Leased ? 1 : 0),
        _message.NullableInt64(MessageReader.Due) is { } due ? StoreClock.ToDateTime(due) : null,
        _message.Text(MessageReader.Error));
}
