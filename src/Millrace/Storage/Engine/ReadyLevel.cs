using System.Diagnostics;

namespace Millrace.Storage.Engine;

/// <summary>The ready messages of one priority, in order of their sequence. Guarded by the gate of its queue.</summary>
/// <remarks>
/// New messages have the highest sequence and go to the end of a list. A message that comes back has an older one: at the front of the list if it fits there,
/// else in a heap. So both cost a step or two, and only what came back out of order costs O(log n).
/// </remarks>
internal sealed class ReadyLevel
{
    private readonly IndexedHeap<QueueEntry, QueueEntry.InHeap> _returned = new();
    private EntryList _inOrder;
    private EntryList _blocked;

    /// <summary>The next message that can be leased; null when there is none.</summary>
    public QueueEntry? First
    {
        get
        {
            var inOrder = _inOrder.Head;
            return _returned.Count == 0 || (inOrder is not null && inOrder.Sequence < _returned.FirstKey) ? inOrder : _returned.First;
        }
    }

    /// <summary>The message with the oldest sequence, behind its key or not; null when there is none.</summary>
    public QueueEntry? Oldest
    {
        get
        {
            var first = First;
            var blocked = _blocked.Head;
            return first is null || (blocked is not null && blocked.Sequence < first.Sequence) ? blocked : first;
        }
    }

    public bool HasLeasable => _inOrder.Head is not null || _returned.Count > 0;

    public void Add(QueueEntry entry)
    {
        entry.Place = EntryPlace.Ready;
        if (_inOrder.Tail is null || _inOrder.Tail.Sequence < entry.Sequence)
        {
            _inOrder.Append(entry);
        }
        else if (entry.Sequence < _inOrder.Head!.Sequence)
        {
            _inOrder.Prepend(entry);
        }
        else
        {
            _returned.Add(entry, entry.Sequence);
        }
    }

    /// <summary>Adds a message that waits for another one of its key. It has a new sequence, higher than all.</summary>
    public void AddBlocked(QueueEntry entry)
    {
        Debug.Assert(_blocked.Tail is null || _blocked.Tail.Sequence < entry.Sequence, "Who joins a line has the newest sequence.");
        entry.Place = EntryPlace.Blocked;
        _blocked.Append(entry);
    }

    public void Remove(QueueEntry entry)
    {
        if (entry.Place == EntryPlace.Blocked)
        {
            _blocked.Remove(entry);
        }
        else if (entry.HeapPosition >= 0)
        {
            _returned.Remove(entry);
        }
        else
        {
            _inOrder.Remove(entry);
        }
    }

    /// <summary>Shows every message to <paramref name="page"/> that it may want.</summary>
    public void Offer(EntryPage page, int rank)
    {
        for (var i = 0; i < _returned.Count; i++)
        {
            page.Offer(_returned[i], rank, _returned[i].Sequence);
        }

        Offer(_inOrder, page, rank);
        Offer(_blocked, page, rank);
    }

    private static void Offer(EntryList list, EntryPage page, int rank)
    {
        // The list is in order: once the page has no use for one, it has none for the rest.
        for (var entry = list.Head; entry is not null && !page.IsBeyond(rank, entry.Sequence); entry = entry.Next)
        {
            page.Offer(entry, rank, entry.Sequence);
        }
    }
}
