using System.Buffers;
using Millrace.Diagnostics;

namespace Millrace.Storage.Engine;

/// <content>
/// Messages whose record the disk has damaged. Such a message must neither be handed to a handler nor hold up its queue: it becomes a dead letter, whose body is what the record holds.
/// </content>
internal sealed partial class QueueCore
{
    // Of a longer record nothing is kept.
    private const int MaxSalvagedBytes = 64 * 1024;

    /// <summary>Has every record that stands in a stretch of the journal stand at its end instead.</summary>
    public void MoveAll(long from, long end)
    {
        int slotEnd;
        lock (Gate)
        {
            slotEnd = _table.SlotEnd;
        }

        for (var slot = 0; slot < slotEnd; slot++)
        {
            long location;
            int bytes;
            lock (Gate)
            {
                var entry = _table.Find(slot);
                var cold = _table.FindCold(slot);
                location = entry?.Location ?? cold?.Location ?? QueueEntry.Nowhere;
                bytes = entry?.RecordBytes ?? cold?.RecordBytes ?? 0;
            }

            if (location >= from && location < end)
            {
                MoveOrBury(slot, location, bytes);
            }
        }
    }

    private void MoveOrBury(int slot, long location, int bytes)
    {
        var record = ArrayPool<byte>.Shared.Rent(bytes);
        try
        {
            if (TryReadRecord(location, record.AsSpan(0, bytes)))
            {
                Move(slot, location, record.AsSpan(0, bytes));
                return;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(record);
        }

        OperationEnd operation;
        var room = _store.RoomForChange(QueueEngine.ChangeBytes + bytes);
        lock (Gate)
        {
            AdvanceLocked(_store.Clock.Now);
            if (!IsDeleted && FindOrWarmLocked(slot) is { } entry && entry.Location == location)
            {
                RenewRecordLocked(entry);
            }

            operation = FinishLocked(room);
        }

        _store.EndUnflushed(operation);
    }

    /// <summary>The record of a message is damaged: the message is written again if it is in memory, and else becomes a dead letter.</summary>
    private void RenewRecordLocked(QueueEntry entry)
    {
        if (entry.Message is null || entry.IsDamaged)
        {
            _ = MessageOf(entry);
            if (entry.Place is EntryPlace.Ready or EntryPlace.Blocked or EntryPlace.Scheduled)
            {
                entry.Section.Remove(entry);
                BuryDamagedLocked(entry);
                return;
            }
        }

        _store.Journal!.NoteRemoved(entry.Location, entry.RecordBytes);
        _changes!.Kind(ChangeKind.Moved).Number(entry.Slot);
        WriteRecord(entry);
    }

    private bool TryReadRecord(long location, Span<byte> into)
    {
        try
        {
            _store.Journal!.Read(location, into);
            return MessageRecord.IsWhole(into);
        }
        catch (StorageCorruptException)
        {
            return false;
        }
    }

    /// <summary>Stands for a message that cannot be read back.</summary>
    private Message SubstituteOf(QueueEntry entry, ReadOnlySpan<byte> record, string reason)
    {
        if (!entry.IsDamaged)
        {
            _store.Logger.MessageDamaged(Name, reason);
        }

        var key = entry.Key?.Line.Key;
        entry.IsDamaged = true;
        entry.IsKeyed = key is not null;
        entry.LastError = reason;
        return entry.Message = NewSubstitute(entry, record.Length <= MaxSalvagedBytes ? record.ToArray() : []);
    }

    private Message NewSubstitute(QueueEntry entry, byte[] body) => new()
    {
        Id = StoreIds.IdOfDamaged(entry.Slot, entry.Sequence),
        Body = body,
        Headers = MessageHeaders.Empty,
        Key = entry.Key?.Line.Key,
        Priority = entry.Priority,
        EnqueuedAt = _store.Clock.UtcNow,
        DeadLetter = entry.Death,
    };

    /// <summary>Makes a dead letter of a damaged message that stands nowhere. It gets a record of its own, so that the damaged one is needed no more.</summary>
    private void BuryDamagedLocked(QueueEntry entry)
    {
        _counters.DeadLettered++;
        LeaveLocked(entry);
        if (entry.HasSenderId)
        {
            _liveIds.Remove(SenderHashOf(entry), entry.Slot);
            entry.HasSenderId = false;
        }

        _changes!.Kind(ChangeKind.Removed).Number(entry.Slot);
        ForgetRecordLocked(entry);
        entry.Death = new DeadLetterInfo(DeadLetterInfo.DamagedReason, entry.LastError, entry.Attempts, WallTimeOf(_now));
        entry.Message = CopyOf(entry.Message!, entry.Death);
        entry.ExpiresAt = MonotonicClock.Never;
        entry.BodyBytes = entry.Message.Body.Length;
        entry.IsKeyed = entry.Message.Key is not null;
        entry.IsDamaged = false;
        EnterLocked(entry, Dead);
        WriteStored(entry);
        WriteDied(entry, DeadLetterInfo.DamagedReason);
    }

    /// <summary>The hash of the id that the sender gave a message, which a damaged one does not tell.</summary>
    private UInt128 SenderHashOf(QueueEntry entry)
    {
        var id = MessageOrSubstituteOf(entry).Id;
        return entry.IsDamaged || id == StoreIds.IdOfDamaged(entry.Slot, entry.Sequence) ? _liveIds.HashOf(entry.Slot) : HashOf(id);
    }
}
