using System.Collections.Concurrent;

namespace Millrace.Sqlite.Waiting;

/// <summary>Who waits for what in this process: receivers for messages of a queue, lock users for a release, state users for a change, readers for a partition to grow.</summary>
internal sealed class StoreSignals
{
    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<string, WaitList> _queues = new(StringComparer.Ordinal);
    private readonly Action<int> _changed;
    private int _waiting;

    public StoreSignals()
    {
        _changed = change =>
        {
            if (Interlocked.Add(ref _waiting, change) == 1 && change == 1)
            {
                FirstWaiter?.Invoke();
            }
        };
        Locks = new WaitList(_changed);
        State = new WaitList(_changed);
        Partitions = new PartitionFeeds(_changed);
    }

    /// <summary>Called when somebody begins to wait and nobody did.</summary>
    public Action? FirstWaiter { get; set; }

    public bool HasWaiters => Volatile.Read(ref _waiting) > 0;

    public WaitList Locks { get; }

    public WaitList State { get; }

    public PartitionFeeds Partitions { get; }

    /// <summary>How many queues are known.</summary>
    public int QueueCount => _queues.Count;

    /// <summary>The waiters for a queue, kept until as many <see cref="Close"/> it as opened it.</summary>
    public WaitList Open(string name)
    {
        lock (_gate)
        {
            var waiters = _queues.GetOrAdd(name, static (_, changed) => new WaitList(changed), _changed);
            waiters.Users++;
            return waiters;
        }
    }

    public void Close(string name)
    {
        lock (_gate)
        {
            if (_queues.TryGetValue(name, out var waiters) && --waiters.Users == 0)
            {
                _queues.TryRemove(name, out _);
            }
        }
    }

    /// <summary>The queues that somebody waits for.</summary>
    public IEnumerable<(string Name, WaitList Waiters)> WaitedQueues()
    {
        foreach (var (name, waiters) in _queues)
        {
            if (waiters.Count > 0)
            {
                yield return (name, waiters);
            }
        }
    }

    /// <summary>Wakes receivers for messages that a commit made leasable.</summary>
    public void Notify(IReadOnlyDictionary<string, int> arrivals)
    {
        foreach (var (name, count) in arrivals)
        {
            if (_queues.TryGetValue(name, out var waiters))
            {
                waiters.Wake(count);
            }
        }
    }

    /// <summary>The store is closed: whoever waits learns it.</summary>
    public void CloseAll()
    {
        Partitions.Close();
        WakeAll();
    }

    private void WakeAll()
    {
        Locks.WakeAll();
        State.WakeAll();
        foreach (var waiters in _queues.Values)
        {
            waiters.WakeAll();
        }
    }
}
