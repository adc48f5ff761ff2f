using System.Buffers;

namespace Millrace.Storage.Engine;

/// <content>What a queue writes down, and the messages that it keeps in the journal alone.</content>
internal sealed partial class QueueCore
{
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
        NoteColdWrittenLocked(frameStart);
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

    private static int OffsetOf(long pendingLocation) => (int)(QueueEntry.Nowhere - 1 - pendingLocation);

    private static long PendingLocationAt(int offset) => QueueEntry.Nowhere - 1 - offset;

    private Message ReadBack(QueueEntry entry)
    {
        // The record says how the message was sent: what it has died of, and that it does not expire any more, is known of the entry.
        var message = ReadRecordOf(entry);
        return entry.Death is not null || (message.ExpiresAt is not null && entry.ExpiresAt == MonotonicClock.Never) ? CopyOf(message, entry.Death) : message;
    }

    private Message ReadRecordOf(QueueEntry entry)
    {
        if (entry.Location < QueueEntry.Nowhere)
        {
            return MessageRecord.ReadAlone(_changes!.Since(OffsetOf(entry.Location))[..entry.RecordBytes], entry.Location);
        }

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

    private void WriteStored(QueueEntry entry)
    {
        _changes!.Kind(ChangeKind.Stored).Number(entry.Slot);
        WriteRecord(entry);
    }

    private void WriteRecord(QueueEntry entry)
    {
        var offset = _changes!.Position;
        var message = entry.Message!;
        var dueAt = entry.Place == EntryPlace.Scheduled ? WallTimeOf(entry.Time).UtcTicks : 0;
        MessageRecord.Write(_changes, MessageContent.Of(message), message.Body.Span, entry.Sequence, entry.HasSenderId, dueAt);
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
