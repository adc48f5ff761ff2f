using Millrace.Sqlite.Engine;
using Millrace.Storage;

namespace Millrace.Sqlite.Queues;

/// <summary>
/// The bindings of queues to topic patterns. All of them are cached until another connection has written to the file: a publish reads none. Who only looks keeps them as long as
/// the store's revision stands (<see cref="MatchesAny"/>), which rises with every change of a binding, in the same transaction.
/// </summary>
internal sealed class BindingTable
{
    private readonly StoreCounters _counters;
    private readonly Statement _insert;
    private readonly Statement _delete;
    private readonly Statement _deleteAll;
    private readonly Statement _selectAll;
    private List<(long Queue, TopicPattern Pattern)>? _all;
    private long _revision;

    public BindingTable(Connection connection, string t, StoreCounters counters)
    {
        _counters = counters;
        _insert = connection.Prepare($"INSERT OR IGNORE INTO {t}binding (queue, pattern) VALUES (?1, ?2)");
        _delete = connection.Prepare($"DELETE FROM {t}binding WHERE queue = ?1 AND pattern = ?2");
        _deleteAll = connection.Prepare($"DELETE FROM {t}binding WHERE queue = ?1");

        // The only table that is read whole: every publish needs all of it.
        _selectAll = connection.Prepare($"SELECT queue, pattern FROM {t}binding WHERE queue > 0 ORDER BY queue, pattern");
    }

    public void Add(long queue, TopicPattern pattern)
    {
        if (_insert.Bind(1, queue).Bind(2, pattern.Text).Change() > 0)
        {
            OnChanged();
        }
    }

    public bool Remove(long queue, TopicPattern pattern)
    {
        if (_delete.Bind(1, queue).Bind(2, pattern.Text).Change() == 0)
        {
            return false;
        }

        OnChanged();
        return true;
    }

    public void DeleteAll(long queue)
    {
        if (_deleteAll.Bind(1, queue).Change() > 0)
        {
            OnChanged();
        }
    }

    public IReadOnlyList<(long Queue, TopicPattern Pattern)> All()
    {
        if (_all is null)
        {
            var all = new List<(long, TopicPattern)>();
            while (_selectAll.Step())
            {
                all.Add((_selectAll.Int64(0), TopicPattern.Parse(_selectAll.Text(1)!)));
            }

            _all = all;
        }

        return _all;
    }

    /// <summary>The queues that a topic reaches, each once.</summary>
    public List<long> Match(string topic)
    {
        var reached = new List<long>();
        foreach (var (queue, pattern) in All())
        {
            if ((reached.Count == 0 || reached[^1] != queue) && pattern.Matches(topic))
            {
                reached.Add(queue);
            }
        }

        return reached;
    }

    /// <summary>Whether a topic reaches a queue, for a connection that only looks: in a transaction of its own, so that revision and bindings are of one instant.</summary>
    public bool MatchesAny(string topic)
    {
        _counters.Forget();
        if (_counters.Revision != _revision)
        {
            _all = null;
            _revision = _counters.Revision;
        }

        foreach (var (_, pattern) in All())
        {
            if (pattern.Matches(topic))
            {
                return true;
            }
        }

        return false;
    }

    public void Forget() => _all = null;

    private void OnChanged()
    {
        _all = null;
        _counters.NextRevision();
    }
}
