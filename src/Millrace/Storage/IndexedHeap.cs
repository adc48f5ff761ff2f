using System.Diagnostics;

namespace Millrace.Storage;

/// <summary>Tells a heap where an item keeps its position, so that one item can stand in several heaps.</summary>
internal interface IHeapPosition<in T>
{
    /// <summary>The field of <paramref name="item"/> that holds its position; -1 while it stands in no such heap.</summary>
    static abstract ref int Of(T item);
}

/// <summary>
/// A minimum heap by (key, tie) whose items know their position, so that any of them can be removed or moved in O(log n). Not safe for concurrent use.
/// </summary>
/// <remarks>
/// Four children a node: half the levels of a binary heap, and the four keys that are compared stand side by side in memory. Keys are kept in the
/// array and not read through the items, which at a million items would miss the cache at every step.
/// </remarks>
internal sealed class IndexedHeap<T, TPosition>
    where T : class
    where TPosition : IHeapPosition<T>
{
    private const int MinimumCapacity = 16;

    private Node[] _nodes = [];

    public int Count { get; private set; }

    /// <summary>The smallest key; <see cref="long.MaxValue"/> when the heap is empty.</summary>
    public long FirstKey => Count == 0 ? long.MaxValue : _nodes[0].Key;

    /// <summary>The item with the smallest key; null when the heap is empty.</summary>
    public T? First => Count == 0 ? null : _nodes[0].Item;

    /// <summary>The item at a position from 0 to <see cref="Count"/> - 1; positions are in no order.</summary>
    public T this[int position]
    {
        get
        {
            Debug.Assert((uint)position < (uint)Count, "The position lies in the heap.");
            return _nodes[position].Item;
        }
    }

    public static bool Contains(T item) => TPosition.Of(item) >= 0;

    public void Add(T item, long key, long tie = 0)
    {
        Debug.Assert(TPosition.Of(item) < 0, "An item stands in a heap at most once.");
        if (Count == _nodes.Length)
        {
            Array.Resize(ref _nodes, Math.Max(MinimumCapacity, Count * 2));
        }

        SiftUp(Count++, new Node(key, tie, item));
    }

    public void Remove(T item)
    {
        var position = TPosition.Of(item);
        Debug.Assert((uint)position < (uint)Count && ReferenceEquals(_nodes[position].Item, item), "The item stands where it says.");
        TPosition.Of(item) = -1;
        var last = _nodes[--Count];
        _nodes[Count] = default;
        if (position < Count)
        {
            Settle(position, last);
        }

        if (_nodes.Length > MinimumCapacity * 64 && Count < _nodes.Length / 4)
        {
            Array.Resize(ref _nodes, _nodes.Length / 2);
        }
    }

    /// <summary>Adds the item, or moves it to its new key.</summary>
    public void Set(T item, long key, long tie = 0)
    {
        var position = TPosition.Of(item);
        if (position < 0)
        {
            Add(item, key, tie);
        }
        else
        {
            Settle(position, new Node(key, tie, item));
        }
    }

    private void Settle(int position, Node node)
    {
        if (position > 0 && node.IsBefore(_nodes[(position - 1) >> 2]))
        {
            SiftUp(position, node);
        }
        else
        {
            SiftDown(position, node);
        }
    }

    private void SiftUp(int position, Node node)
    {
        var nodes = _nodes;
        while (position > 0)
        {
            var parent = (position - 1) >> 2;
            if (!node.IsBefore(nodes[parent]))
            {
                break;
            }

            Put(nodes, position, nodes[parent]);
            position = parent;
        }

        Put(nodes, position, node);
    }

    private void SiftDown(int position, Node node)
    {
        var nodes = _nodes;
        while (true)
        {
            var child = (position << 2) + 1;
            if (child >= Count)
            {
                break;
            }

            var smallest = child;
            var end = Math.Min(child + 4, Count);
            while (++child < end)
            {
                if (nodes[child].IsBefore(nodes[smallest]))
                {
                    smallest = child;
                }
            }

            if (!nodes[smallest].IsBefore(node))
            {
                break;
            }

            Put(nodes, position, nodes[smallest]);
            position = smallest;
        }

        Put(nodes, position, node);
    }

    private static void Put(Node[] nodes, int position, Node node)
    {
        nodes[position] = node;
        TPosition.Of(node.Item) = position;
    }

    private readonly struct Node(long key, long tie, T item)
    {
        public readonly long Key = key;
        public readonly long Tie = tie;
        public readonly T Item = item;

        public bool IsBefore(in Node other) => Key < other.Key || (Key == other.Key && Tie < other.Tie);
    }
}
