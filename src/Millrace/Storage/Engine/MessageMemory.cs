namespace Millrace.Storage.Engine;

/// <summary>
/// How much memory the messages take that wait in the queues of one engine with a journal. Beyond the budget, what is far from the head of its queue is kept in the journal alone.
/// Safe for concurrent use.
/// </summary>
internal sealed class MessageMemory(long budgetBytes)
{
    // An estimate by their fields of an entry, its message and the array of its body, so that a queue of empty bodies is bounded too.
    private const int BytesPerMessage = 320;

    private long _bytes;

    public bool IsOver => Volatile.Read(ref _bytes) > budgetBytes;

    public void Add(QueueEntry entry) => Add(Count(entry));

    /// <summary>Adds what several messages take.</summary>
    /// <param name="bytes">The sum of <see cref="Count"/>.</param>
    public void Add(long bytes)
    {
        if (bytes > 0)
        {
            Interlocked.Add(ref _bytes, bytes);
        }
    }

    /// <summary>Notes that a message counts.</summary>
    /// <returns>The bytes to add for it; 0 when it is counted already, or not in memory.</returns>
    public static long Count(QueueEntry entry)
    {
        if (entry.IsCounted || entry.Message is null)
        {
            return 0;
        }

        entry.IsCounted = true;
        return BytesPerMessage + entry.BodyBytes;
    }

    public void Remove(QueueEntry entry)
    {
        if (entry.IsCounted)
        {
            entry.IsCounted = false;
            Interlocked.Add(ref _bytes, -BytesPerMessage - entry.BodyBytes);
        }
    }
}
