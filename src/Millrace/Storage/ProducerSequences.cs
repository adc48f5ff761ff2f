using System.Diagnostics;

namespace Millrace.Storage;

/// <summary>
/// The sequences of the idempotent producers of one partition (law S8): for each, the last one that is stored, and where its latest appends are. Bounded: beyond
/// <see cref="MaxProducers"/>, the producer that appended longest ago is forgotten. Not safe for concurrent use.
/// </summary>
internal sealed class ProducerSequences
{
    /// <summary>The most producers that a partition remembers.</summary>
    public const int MaxProducers = 10_000;

    /// <summary>Of so many appends of a producer the offset is known when they are repeated.</summary>
    public const int AppendsKept = 5;

    private readonly Dictionary<string, LinkedListNode<Producer>> _byId = new(StringComparer.Ordinal);
    private readonly LinkedList<Producer> _oldestFirst = [];

    /// <summary>Whether an append repeats what is stored.</summary>
    /// <returns>Its result if it does; null when it is new.</returns>
    /// <exception cref="InvalidMessageException">It repeats some sequences and adds others.</exception>
    public AppendResult? FindRepeat(string producerId, long firstSequence, int count)
    {
        if (!_byId.TryGetValue(producerId, out var node) || firstSequence > node.Value.LastSequence)
        {
            return null;
        }

        var last = node.Value.LastSequence;
        if (firstSequence + count - 1 > last)
        {
            throw new InvalidMessageException(
                $"The append was refused: it has the sequences {firstSequence} to {firstSequence + count - 1} of producer '{producerId}', of which those up to {last} are stored already. "
                + "Repeat an append as it was, or go on after the last sequence.");
        }

        foreach (ref readonly var append in node.Value.Latest.AsSpan())
        {
            if (append.Count > 0 && firstSequence >= append.FirstSequence && firstSequence < append.FirstSequence + append.Count)
            {
                return new AppendResult(append.FirstOffset + (firstSequence - append.FirstSequence), true);
            }
        }

        return new AppendResult(-1, true);
    }

    /// <summary>Notes an append that is stored.</summary>
    public void Note(string producerId, long firstSequence, int count, long firstOffset)
    {
        Debug.Assert(count > 0, "An empty append has no sequence.");
        if (_byId.TryGetValue(producerId, out var node))
        {
            _oldestFirst.Remove(node);
        }
        else
        {
            if (_byId.Count == MaxProducers)
            {
                _byId.Remove(_oldestFirst.First!.Value.Id);
                _oldestFirst.RemoveFirst();
            }

            node = new LinkedListNode<Producer>(new Producer(producerId));
            _byId.Add(producerId, node);
        }

        _oldestFirst.AddLast(node);
        node.Value.Add(new Append(firstSequence, count, firstOffset));
    }

    /// <summary>What is remembered, producers and appends oldest first: noting all of it in this order makes an equal table.</summary>
    public IEnumerable<(string ProducerId, long FirstSequence, int Count, long FirstOffset)> List()
    {
        foreach (var producer in _oldestFirst)
        {
            foreach (var append in producer.OldestFirst())
            {
                yield return (producer.Id, append.FirstSequence, append.Count, append.FirstOffset);
            }
        }
    }

    private readonly record struct Append(long FirstSequence, int Count, long FirstOffset);

    private sealed class Producer(string id)
    {
        private int _next;

        public string Id { get; } = id;

        public long LastSequence { get; private set; } = -1;

        /// <summary>A ring; places that are not used have a count of 0.</summary>
        public Append[] Latest { get; } = new Append[AppendsKept];

        public void Add(Append append)
        {
            Latest[_next] = append;
            _next = (_next + 1) % AppendsKept;
            LastSequence = append.FirstSequence + append.Count - 1;
        }

        public IEnumerable<Append> OldestFirst()
        {
            for (var i = 0; i < AppendsKept; i++)
            {
                var append = Latest[(_next + i) % AppendsKept];
                if (append.Count > 0)
                {
                    yield return append;
                }
            }
        }
    }
}
