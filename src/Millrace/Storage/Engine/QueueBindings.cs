namespace Millrace.Storage.Engine;

/// <summary>Which queues are bound to which patterns (laws R1 and R2). Safe for concurrent use; its gate is taken inside those of queues, and takes none.</summary>
internal sealed class QueueBindings
{
    private readonly Lock _gate = new();
    private readonly PatternIndex<BoundQueue> _index = new();
    private readonly SortedDictionary<string, BoundQueue> _queues = new(StringComparer.Ordinal);

    // Read without the gate: whoever publishes after a binding was made sees it (R2).
    private volatile bool _hasAny;

    public void Add(string queue, TopicPattern pattern)
    {
        lock (_gate)
        {
            if (!_queues.TryGetValue(queue, out var bound))
            {
                _queues.Add(queue, bound = new BoundQueue(queue));
                _hasAny = true;
            }

            if (bound.Patterns.TryAdd(pattern.Text, pattern))
            {
                _index.Add(pattern, bound);
            }
        }
    }

    public bool Remove(string queue, TopicPattern pattern)
    {
        lock (_gate)
        {
            if (!_queues.TryGetValue(queue, out var bound) || !bound.Patterns.Remove(pattern.Text))
            {
                return false;
            }

            _index.Remove(pattern, bound);
            if (bound.Patterns.Count == 0)
            {
                _queues.Remove(queue);
                _hasAny = _queues.Count > 0;
            }

            return true;
        }
    }

    public void RemoveAll(string queue)
    {
        lock (_gate)
        {
            if (_queues.Remove(queue, out var bound))
            {
                _hasAny = _queues.Count > 0;
                foreach (var pattern in bound.Patterns.Values)
                {
                    _index.Remove(pattern, bound);
                }
            }
        }
    }

    /// <summary>All bindings, or those of one queue; by queue, then pattern.</summary>
    public IReadOnlyList<QueueBinding> List(string? queue)
    {
        lock (_gate)
        {
            var bindings = new List<QueueBinding>();
            foreach (var bound in _queues.Values)
            {
                if (queue is null || string.Equals(bound.Name, queue, StringComparison.Ordinal))
                {
                    foreach (var pattern in bound.Patterns.Values)
                    {
                        bindings.Add(new QueueBinding(bound.Name, pattern));
                    }
                }
            }

            return bindings;
        }
    }

    /// <summary>The queues with a binding that matches, each once. The array is shared.</summary>
    public BoundQueue[] Find(string topic)
    {
        if (!_hasAny)
        {
            return [];
        }

        lock (_gate)
        {
            return _index.Find(topic);
        }
    }
}

/// <summary>A queue with its patterns.</summary>
internal sealed class BoundQueue(string name)
{
    public string Name { get; } = name;

    public SortedDictionary<string, TopicPattern> Patterns { get; } = new(StringComparer.Ordinal);
}
