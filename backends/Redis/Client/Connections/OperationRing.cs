namespace Millrace.Redis.Client.Connections;

/// <summary>The operations of one connection that wait for replies, in the order in which they were written: a ring that grows. Guarded by the connection's lock.</summary>
internal sealed class OperationRing
{
    private Entry[] _entries = new Entry[64];
    private int _head;

    public int Count { get; private set; }

    public void Enqueue(RedisOperation operation)
    {
        if (Count == _entries.Length)
        {
            Grow();
        }

        _entries[(_head + Count++) & (_entries.Length - 1)] = new Entry(operation, operation.Ticket);
    }

    public Entry Dequeue()
    {
        ref var entry = ref _entries[_head];
        var first = entry;
        entry = default;
        _head = (_head + 1) & (_entries.Length - 1);
        Count--;
        return first;
    }

    /// <summary>One of those that wait, from the front.</summary>
    public Entry Peek(int index) => _entries[(_head + index) & (_entries.Length - 1)];

    private void Grow()
    {
        var larger = new Entry[_entries.Length * 2];
        for (var i = 0; i < Count; i++)
        {
            larger[i] = Peek(i);
        }

        _entries = larger;
        _head = 0;
    }

    /// <summary>An operation, and the ticket by which its fate may be decided.</summary>
    public readonly record struct Entry(RedisOperation Operation, int Ticket);
}
