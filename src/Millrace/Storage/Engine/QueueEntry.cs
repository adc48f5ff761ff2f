namespace Millrace.Storage.Engine;

/// <summary>Where an entry stands.</summary>
internal enum EntryPlace : byte
{
    /// <summary>Not in use.</summary>
    Free,

    /// <summary>In a ready level, and can be leased.</summary>
    Ready,

    /// <summary>Ready behind another message of its key.</summary>
    Blocked,

    /// <summary>In the heap of due times.</summary>
    Scheduled,

    /// <summary>In the list of its receiver.</summary>
    Leased,
}

/// <summary>One message in a queue: everything that the queue knows of it. Guarded by the gate of its <see cref="QueueCore"/>.</summary>
/// <remarks>
/// It is in one place at a time, so places share fields: the links serve ready lists and receivers' lists, the heap position serves returned and scheduled
/// messages. Entries are used again; what refers to one over time (a token, an id) bears a number that is not.
/// </remarks>
internal sealed class QueueEntry
{
    /// <summary>The message; null while only its record in the journal is kept. <see cref="QueueCore.MessageOf"/> reads it back.</summary>
    public Message? Message;

    public QueueSection Section = null!;
    public QueueEntry? Previous;
    public QueueEntry? Next;
    public KeyPlace? Key;
    public QueueReceiver? Holder;
    public string? LastError;

    /// <summary>How it became a dead letter; null when it is none.</summary>
    public DeadLetterInfo? Death;

    /// <summary>The place in the order of law Q3; while scheduled, breaks ties of due times.</summary>
    public long Sequence;

    /// <summary>While scheduled, when it is due; while leased, when the lease ends unless its receiver has renewed.</summary>
    public long Time;

    /// <summary>When it expires; <see cref="MonotonicClock.Never"/> if it does not.</summary>
    public long ExpiresAt = MonotonicClock.Never;

    /// <summary>The number of its last lease, never used twice by a queue.</summary>
    public long LeaseNumber;

    /// <summary>Where the journal has the message's record; <see cref="Nowhere"/> without a journal, below that while the record's frame has no place yet.</summary>
    public long Location = Nowhere;

    /// <summary>The bytes of the record.</summary>
    public int RecordBytes;

    public int BodyBytes;
    public int HeapPosition = -1;
    public int ExpiryPosition = -1;
    public int Attempts;
    public EntryPlace Place;
    public byte Priority;
    public bool WasLeased;

    /// <summary>Whether the message has a key.</summary>
    public bool IsKeyed;

    /// <summary>Whether the sender waived durability, so that receivers don't wait for it either.</summary>
    public bool IsWaived;

    /// <summary>Whether its message counts as held in memory; see <see cref="MessageMemory"/>.</summary>
    public bool IsCounted;

    /// <summary>Whether its record could not be read back, so that the message stands for it only.</summary>
    public bool IsDamaged;

    /// <summary>Whether the sender supplied the id, so that it is subject to deduplication.</summary>
    public bool HasSenderId;

    /// <summary>Its slot in the <see cref="EntryTable"/>, while it is in use.</summary>
    public int Slot;

    /// <summary>The <see cref="Location"/> of a message that no journal has.</summary>
    public const long Nowhere = -1;

    /// <summary>Position in the heap of returned or of scheduled messages.</summary>
    public readonly struct InHeap : IHeapPosition<QueueEntry>
    {
        public static ref int Of(QueueEntry item) => ref item.HeapPosition;
    }

    /// <summary>Position in the heap of expiries.</summary>
    public readonly struct InExpiry : IHeapPosition<QueueEntry>
    {
        public static ref int Of(QueueEntry item) => ref item.ExpiryPosition;
    }
}

/// <summary>A doubly linked list through <see cref="QueueEntry.Previous"/> and <see cref="QueueEntry.Next"/>. A mutable value: keep it in a field.</summary>
internal struct EntryList
{
    public QueueEntry? Head { get; private set; }

    public QueueEntry? Tail { get; private set; }

    public void Append(QueueEntry entry)
    {
        entry.Previous = Tail;
        if (Tail is null)
        {
            Head = entry;
        }
        else
        {
            Tail.Next = entry;
        }

        Tail = entry;
    }

    public void Prepend(QueueEntry entry)
    {
        entry.Next = Head;
        if (Head is null)
        {
            Tail = entry;
        }
        else
        {
            Head.Previous = entry;
        }

        Head = entry;
    }

    public void Remove(QueueEntry entry)
    {
        if (entry.Previous is null)
        {
            Head = entry.Next;
        }
        else
        {
            entry.Previous.Next = entry.Next;
        }

        if (entry.Next is null)
        {
            Tail = entry.Previous;
        }
        else
        {
            entry.Next.Previous = entry.Previous;
        }

        entry.Previous = null;
        entry.Next = null;
    }
}
