using System.Buffers;

namespace Millrace.Storage.Engine;

/// <content>What a queue writes down, and the messages that it keeps in the journal alone.</content>
internal sealed partial class QueueCore
{
    // One read for messages that stand close together; the gaps between are read with them. Below the size from which arrays are collected last.
    private const int MaxReadBytes = 64 * 1024;

    private readonly ChangeWriter? _changes;
    private readonly List<QueueEntry> _stored = [];
    private bool _servedMustBeDurable;

    /// <summary>The message of an entry, read back from the journal if it is there alone. If that is damaged, something that stands for it; see <see cref="QueueEntry.IsDamaged"/>.</summary>
    /// <exception cref="BackendUnavailableException">The disk does not let it be read.</exception>
    public Message MessageOf(QueueEntry entry) => entry.Message ?? ReadBack(entry);

    /// <summary>
    /// The same for what time does, which no caller could be told of: while the disk does not let a message be read, something stands for it in memory. What is written down does not depend on it.
    /// </summary>
    public Message MessageOrSubstituteOf(QueueEntry entry)
    {
        try
        {
            return MessageOf(entry);
        }
        catch (Exception fault) when (fault is BackendUnavailableException or ObjectDisposedException)
        {
            return NewSubstitute(entry, []);
        }
    }

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

    /// <summary>What the operation has changed, as a section of a frame; empty when there is nothing to write down.</summary>
    public ReadOnlySpan<byte> SectionLocked => _changes is null || _changes.IsEmpty ? default : _changes.Section();

    /// <summary>Appends what the operation has changed to the journal.</summary>
    /// <returns>Where the journal ends behind it; 0 when there was nothing.</returns>
    public long WriteDownLocked(JournalRoom room)
    {
        if (_changes is null || _changes.IsEmpty)
        {
            _store.Journal?.Release(room);
            return 0;
        }

        var frame = _changes.Frame(_store.Clock.UtcNow);
        var start = _store.Journal!.Append(room, frame);
        var end = start + frame.Length;
        NoteWrittenLocked(start);
        return end;
    }

    /// <summary>The changes have a place: the records in them too.</summary>
    /// <param name="frameStart">Where the frame would start whose first section is this queue's.</param>
    public void NoteWrittenLocked(long frameStart)
    {
        _changes!.Clear();
        foreach (var entry in _stored)
        {
            // An entry may have left and come back within the operation; then it stands in the list twice.
            if (entry.Location < QueueEntry.Nowhere)
            {
                entry.Location = frameStart + OffsetOf(entry.Location);
                _store.Journal!.NoteStored(entry.Location, entry.RecordBytes);
                SpareMemoryLocked(entry);
            }
        }

        _stored.Clear();
    }

    private bool IsDurable(QueueEntry entry) =>
        entry.Location > QueueEntry.Nowhere && _store.Journal!.IsDurable(entry.Location + entry.RecordBytes);

    private void ForgetRecordLocked(QueueEntry entry)
    {
        _store.Memory!.Remove(entry);
        if (entry.Location > QueueEntry.Nowhere)
        {
            // Once: a receiver may return a message of a queue that has been deleted with it.
            _store.Journal!.NoteRemoved(entry.Location, entry.RecordBytes);
            entry.Location = QueueEntry.Nowhere;
        }
    }

    /// <summary>The queue is gone, and the records of its messages with it.</summary>
    private void ForgetRecordsLocked()
    {
        for (var slot = 0; _changes is not null && slot < _table.SlotEnd; slot++)
        {
            if (_table.Find(slot) is { } entry)
            {
                ForgetRecordLocked(entry);
            }
            else if (_table.FindCold(slot) is { } cold)
            {
                _store.Journal!.NoteRemoved(cold.Location, cold.RecordBytes);
            }
        }
    }

    private static long OffsetOf(long pendingLocation) => QueueEntry.Nowhere - 1 - pendingLocation;

    private static long PendingLocationAt(int offset) => QueueEntry.Nowhere - 1 - offset;

    private Message ReadBack(QueueEntry entry)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(entry.RecordBytes);
        try
        {
            var record = buffer.AsSpan(0, entry.RecordBytes);
            record.Clear();
            try
            {
                _store.Journal!.Read(entry.Location, record);
                return MessageRecord.ReadAlone(record, entry.Location);
            }
            catch (StorageCorruptException fault)
            {
                return SubstituteOf(entry, record, fault.Message);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <returns>The entry after those that were read.</returns>
    private QueueEntry? LoadStretchLocked(QueueEntry first)
    {
        var start = first.Location;
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

        for (var entry = first; entry != next; entry = entry!.Next)
        {
            entry!.Message ??= MessageRecord.ReadShared(stretch.AsMemory((int)(entry.Location - start), entry.RecordBytes));
            _store.Memory!.Add(entry);
        }

        return next;
    }

    /// <summary>Leaves a message in the journal alone, if memory is short or those before it are there.</summary>
    private void SpareMemoryLocked(QueueEntry entry)
    {
        if (entry.Section.IsDead || entry.Place is EntryPlace.Leased or EntryPlace.Free)
        {
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

    private static bool IsPlain(QueueEntry entry) =>
        entry is { Key: null, WasLeased: false, LastError: null, ExpiryPosition: -1 };

    private void WriteStored(QueueEntry entry)
    {
        _changes!.Kind(ChangeKind.Stored).Number(entry.Slot);
        WriteRecord(entry);
    }

    private void WriteRecord(QueueEntry entry)
    {
        var offset = _changes!.Position;
        MessageRecord.Write(_changes, entry.Message!, entry.Sequence, entry.HasSenderId, entry.Place == EntryPlace.Scheduled ? WallTimeOf(entry.Time).UtcTicks : 0);
        entry.Location = PendingLocationAt(offset);
        entry.RecordBytes = _changes.Position - offset;
        _stored.Add(entry);
    }

    private void WriteReturned(QueueEntry entry)
    {
        var dueAt = entry.Place == EntryPlace.Scheduled ? WallTimeOf(entry.Time).UtcTicks : 0;
        _changes!.Kind(ChangeKind.Returned).Number(entry.Slot).Number(entry.Attempts).Number(entry.Sequence).Number(dueAt).Text(entry.LastError);
    }

    private void WriteDied(QueueEntry entry, string reason) =>
        _changes!.Kind(ChangeKind.Died).Number(entry.Slot).Number(entry.Sequence).Number(entry.Attempts).Text(reason).Text(entry.LastError);

}
