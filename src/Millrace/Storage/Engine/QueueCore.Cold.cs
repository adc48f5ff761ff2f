namespace Millrace.Storage.Engine;

/// <content>Messages far from the head of a queue with a journal: they are kept there alone, and read back when they are next.</content>
internal sealed partial class QueueCore
{
    // One read for messages that stand close together; the gaps between are read with them. Below the size from which arrays are collected last.
    private const int MaxReadBytes = 64 * 1024;

    // Slots that were made cold by the operation that stored their message, whose record has no place yet.
    private readonly List<int> _storedCold = [];

    /// <summary>Makes an entry that has just left its place cold.</summary>
    public void CoolLocked(QueueEntry entry)
    {
        _store.Memory!.Remove(entry);
        _table.Cool(entry);
    }

    /// <summary>Makes a cold slot an entry again, without its message.</summary>
    public QueueEntry WarmLocked(int slot) => _table.Warm(slot);

    /// <summary>Reads the messages of a list of entries, those that stand close together at once.</summary>
    public void LoadLocked(QueueEntry first)
    {
        for (var entry = first; entry is not null;)
        {
            entry = LoadStretchLocked(entry);
        }
    }

    /// <summary>An entry that stands nowhere, to show a cold message.</summary>
    public QueueEntry ShownCold(int slot, long sequence)
    {
        var entry = new QueueEntry { Slot = slot, Section = Main, Sequence = sequence, Place = EntryPlace.Ready };
        _table.FindCold(slot)!.Value.CopyTo(entry);
        return entry;
    }

    /// <summary>Whether a message that is sent now will be cold at once: others of its priority are that stand before it, and nothing but its place has to be known of it.</summary>
    private bool IsColdFromTheStart(in Envelope envelope) =>
        _changes is not null
        && Main.HasCold(envelope.Priority)
        && envelope is { Key: null, TimeToLive: null }
        && envelope.Delay <= TimeSpan.Zero;

    /// <summary>Stores a message in the journal alone: no entry, and no copy of its body.</summary>
    private EnqueueResult StoreColdLocked(in Envelope envelope, ReadOnlySpan<byte> body, UInt128 hash, DateTimeOffset acceptedAt)
    {
        var slot = _table.TakeSlot();
        var id = envelope.Id;
        var hasSenderId = !id.IsEmpty;
        if (hasSenderId)
        {
            _liveIds.Add(hash, slot);
        }
        else
        {
            id = _ids.Next(slot, acceptedAt.ToUnixTimeMilliseconds());
        }

        _changes!.Kind(ChangeKind.Stored).Number(slot);
        var sequence = ++_sequence;
        var offset = _changes.Position;
        MessageRecord.Write(_changes, MessageContent.Of(in envelope, id, acceptedAt), body, sequence, hasSenderId, dueAt: 0);
        var cold = new ColdEntry(PendingLocationAt(offset), _changes.Position - offset, body.Length, sequence, (byte)envelope.Priority, hasSenderId);
        _table.SetCold(slot, in cold);
        _storedCold.Add(slot);
        Main.AddCold(slot, in cold, sequence);
        Main.Bytes += body.Length;
        _counters.Enqueued++;
        return new EnqueueResult(id, EnqueueOutcome.Stored);
    }

    private void NoteColdWrittenLocked(long frameStart)
    {
        var stored = 0;
        foreach (var slot in _storedCold)
        {
            if (_table.FindCold(slot) is { Location: < QueueEntry.Nowhere } cold)
            {
                _table.Move(slot, frameStart + OffsetOf(cold.Location), cold.RecordBytes);
                stored += cold.RecordBytes;
            }
            else if (_table.Find(slot) is { Location: < QueueEntry.Nowhere } entry)
            {
                // It was wanted before it had a place.
                entry.Location = frameStart + OffsetOf(entry.Location);
                stored += entry.RecordBytes;
            }
        }

        _storedCold.Clear();
        if (stored > 0)
        {
            // All at once: a frame stands in one segment.
            _store.Journal!.NoteStored(frameStart, stored);
        }
    }

    /// <returns>The entry after those that were read.</returns>
    private QueueEntry? LoadStretchLocked(QueueEntry first)
    {
        var start = first.Location;
        if (start < QueueEntry.Nowhere)
        {
            // Not written down yet: whoever wants it reads it from what is to be written.
            return first.Next;
        }

        var end = start + first.RecordBytes;
        var limit = Math.Min(start + MaxReadBytes, _store.Journal!.ReadableTo(start));
        var next = first.Next;
        while (next is not null && next.Location >= end && next.Location + next.RecordBytes <= limit)
        {
            end = next.Location + next.RecordBytes;
            next = next.Next;
        }

        if (end - start > MaxReadBytes)
        {
            // Larger than a read: brought in when it is leased.
            return next;
        }

        // The bodies of its messages stay in it: one array for all of them.
        var stretch = GC.AllocateUninitializedArray<byte>((int)(end - start));
        try
        {
            _store.Journal.Read(start, stretch);
        }
        catch (Exception fault) when (fault is MillraceException or ObjectDisposedException)
        {
            // Whoever wants one of them learns of it.
            return next;
        }

        ReadStretch(first, next, stretch);
        var memory = 0L;
        for (var entry = first; entry != next; entry = entry!.Next)
        {
            memory += MessageMemory.Count(entry!);
        }

        _store.Memory!.Add(memory);
        return next;
    }

    /// <summary>Gives entries their messages, but for those whose records are damaged: whoever wants one of them learns of it.</summary>
    private static void ReadStretch(QueueEntry first, QueueEntry? end, byte[] stretch)
    {
        var start = first.Location;
        var entry = first;
        while (entry != end)
        {
            var record = RecordIn(stretch, start, entry!);
            if (entry!.Next is { } second && second != end && second.Next is { } third && third != end)
            {
                var (secondRecord, thirdRecord) = (RecordIn(stretch, start, second), RecordIn(stretch, start, third));
                var whole = MessageRecord.AreWhole(record.Span, secondRecord.Span, thirdRecord.Span);
                entry.Message ??= whole.First ? MessageRecord.ReadShared(record) : null;
                second.Message ??= whole.Second ? MessageRecord.ReadShared(secondRecord) : null;
                third.Message ??= whole.Third ? MessageRecord.ReadShared(thirdRecord) : null;
                entry = third.Next;
            }
            else
            {
                entry.Message ??= MessageRecord.IsWhole(record.Span) ? MessageRecord.ReadShared(record) : null;
                entry = entry.Next;
            }
        }
    }

    private static ReadOnlyMemory<byte> RecordIn(byte[] stretch, long start, QueueEntry entry) => stretch.AsMemory((int)(entry.Location - start), entry.RecordBytes);

    /// <summary>Leaves a message in the journal alone, if memory is short or those before it are there.</summary>
    private void SpareMemoryLocked(QueueEntry entry)
    {
        if (entry.Place is EntryPlace.Leased or EntryPlace.Free)
        {
            return;
        }

        if (entry.Section.IsDead)
        {
            SpareDeadLocked(entry);
            return;
        }

        _store.Memory!.Add(entry);
        var isOver = _store.Memory.IsOver;
        if (entry.Place == EntryPlace.Ready && (isOver || Main.HasCold(entry.Priority)) && IsPlain(entry) && Main.TryCool(entry))
        {
            return;
        }

        // The head of a queue is wanted next.
        if (isOver && !ReferenceEquals(entry, Main.FirstLeasable))
        {
            _store.Memory.Remove(entry);
            entry.Message = null;
        }
    }

    /// <summary>Leaves a dead letter in the journal alone, however much memory there is: it waits for somebody who looks into it, which may be never.</summary>
    private void SpareDeadLocked(QueueEntry entry)
    {
        // What is damaged stands in memory only.
        if (entry is { Location: > QueueEntry.Nowhere, IsDamaged: false })
        {
            _store.Memory!.Remove(entry);
            entry.Message = null;
        }
    }

    /// <summary>Leaves a message that has come back from the dead letters in the journal alone, if memory is short.</summary>
    private void SpareRedrivenLocked(QueueEntry entry)
    {
        _store.Memory!.Add(entry);
        if (_store.Memory.IsOver && entry.Location > QueueEntry.Nowhere)
        {
            _store.Memory.Remove(entry);
            entry.Message = null;
        }
    }

    private static bool IsPlain(QueueEntry entry) =>
        entry is { Key: null, WasLeased: false, LastError: null, ExpiryPosition: -1 };
}
