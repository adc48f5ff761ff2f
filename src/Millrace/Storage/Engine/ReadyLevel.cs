using System.Diagnostics;

namespace Millrace.Storage.Engine;

/// <summary>The ready messages of one priority, in order of their sequence. Guarded by the gate of its queue.</summary>
/// <remarks>
/// New messages have the highest sequence and go to the end of a list. A message that comes back has an older one: at the front of the list if it fits there,
/// else in a heap. So both cost a step or two, and only what came back out of order costs O(log n).
/// With a journal, the messages behind those of the list may be cold: the list is filled again from the front of the <see cref="ColdRun"/> when it is empty, and while there are
/// cold ones, what comes stands in the heap until it is cooled itself.
/// </remarks>
internal sealed class ReadyLevel(QueueSection section)
{
    // A refill reads one stretch of the journal and is needed once for so many messages: few enough that entries and bodies stay in the caches of the processor.
    private const int MaxWarmed = 256;
    private const long MaxWarmedBytes = 1024 * 1024;

    private readonly IndexedHeap<QueueEntry, QueueEntry.InHeap> _returned = new();
    private EntryList _inOrder;
    private EntryList _blocked;

    /// <summary>The messages that wait in the journal, behind those of the list.</summary>
    public ColdRun Cold { get; } = new();

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
        if (Cold.Count == 0 && (_inOrder.Tail is null || _inOrder.Tail.Sequence < entry.Sequence))
        {
            _inOrder.Append(entry);
        }
        else if (_inOrder.Head is { } head && entry.Sequence < head.Sequence)
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
            RefillIfEmpty();
        }
    }

    /// <summary>Makes the last message of the level cold.</summary>
    /// <returns>False when it is not the last, or does not stand alone.</returns>
    public bool TryCool(QueueEntry entry)
    {
        if (entry.Place != EntryPlace.Ready || entry.Sequence <= Cold.LastSequence || ReferenceEquals(_inOrder.Head, entry)
            || (Cold.Count == 0 && !ReferenceEquals(_inOrder.Tail, entry)))
        {
            return false;
        }

        if (entry.HeapPosition >= 0)
        {
            _returned.Remove(entry);
        }
        else
        {
            _inOrder.Remove(entry);
        }

        Cold.Append(entry.Sequence, entry.Slot);
        section.Core.CoolLocked(entry);
        return true;
    }

    /// <summary>Adds a cold slot at the end.</summary>
    public void AddCold(long sequence, int slot)
    {
        Cold.Append(sequence, slot);
        RefillIfEmpty();
    }

    /// <summary>Makes one cold message an entry again.</summary>
    public QueueEntry Warm(long sequence)
    {
        var entry = WarmSlot(sequence, Cold.Take(sequence));
        _returned.Add(entry, sequence);
        return entry;
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
        foreach (var (sequence, slot) in Cold.After(page.AfterMinor(rank)))
        {
            if (page.IsBeyond(rank, sequence))
            {
                break;
            }

            page.Offer(section.Core.ShownCold(slot, sequence), rank, sequence);
        }
    }

    private void RefillIfEmpty()
    {
        if (_inOrder.Head is not null)
        {
            return;
        }

        var count = 0;
        var bytes = 0L;
        while (count < MaxWarmed && bytes < MaxWarmedBytes && Cold.TryTakeFirst(out var sequence, out var slot))
        {
            var entry = WarmSlot(sequence, slot);
            _inOrder.Append(entry);
            count++;
            bytes += entry.BodyBytes;
        }

        if (count > 0)
        {
            section.Core.LoadLocked(_inOrder.Head!);
        }
    }

    private QueueEntry WarmSlot(long sequence, int slot)
    {
        var entry = section.Core.WarmLocked(slot);
        entry.Section = section;
        entry.Sequence = sequence;
        entry.Place = EntryPlace.Ready;
        return entry;
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
