using System.Diagnostics;

namespace Millrace.Storage.Engine;

/// <summary>
/// The messages of one key in one queue (law Q8) that are ready, leased or waiting for a delayed release, in order of their first sequence. Only the head
/// can be anything but blocked.
/// </summary>
internal sealed class KeyLine(string key)
{
    public string Key { get; } = key;

    public QueueEntry? Head { get; private set; }

    public QueueEntry? Tail { get; private set; }

    /// <summary>Adds a message at the end.</summary>
    /// <param name="entry">Its entry, which stands in no line.</param>
    /// <param name="joinedAt">The sequence with which it came: higher than that of all who came before.</param>
    public void Append(QueueEntry entry, long joinedAt)
    {
        Debug.Assert(entry.Key is null, "A message stands in one line.");
        entry.Key = new KeyPlace(this, joinedAt) { Previous = Tail };
        if (Tail is null)
        {
            Head = entry;
        }
        else
        {
            Tail.Key!.Next = entry;
        }

        Tail = entry;
    }

    public void Remove(QueueEntry entry)
    {
        var place = entry.Key!;
        Debug.Assert(ReferenceEquals(place.Line, this), "A message leaves the line in which it stands.");
        if (place.Previous is null)
        {
            Head = place.Next;
        }
        else
        {
            place.Previous.Key!.Next = place.Next;
        }

        if (place.Next is null)
        {
            Tail = place.Previous;
        }
        else
        {
            place.Next.Key!.Previous = place.Previous;
        }

        entry.Key = null;
    }
}

/// <summary>The place of a message in the line of its key. An object of its own, so that messages without keys don't carry the fields.</summary>
internal sealed class KeyPlace(KeyLine line, long joinedAt)
{
    public QueueEntry? Previous;
    public QueueEntry? Next;

    public KeyLine Line { get; } = line;

    /// <summary>The sequence with which the message came into the line; its own may be higher by now.</summary>
    public long JoinedAt { get; } = joinedAt;
}
