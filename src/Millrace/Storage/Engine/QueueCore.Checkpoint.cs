namespace Millrace.Storage.Engine;

/// <content>
/// What the queue is now, in changes that make it again. It is taken piece by piece while the queue goes on: a piece may be newer than the one before, but whatever changes after the
/// checkpoint has begun is in the journal too, and is read after it.
/// </content>
internal sealed partial class QueueCore
{
    private const int SlotsAtOnce = 4096;
    private const int IdsAtOnce = 8192;
    private const int SectionBytes = 64;

    /// <summary>Writes the queue down in sections, each of which is handed over before the next one is made.</summary>
    public void WriteCheckpoint(Action<ChangeWriter> write)
    {
        var changes = new ChangeWriter(Serial);
        int slotEnd;
        lock (Gate)
        {
            if (IsDeleted)
            {
                return;
            }

            slotEnd = _table.SlotEnd;
            changes.Kind(ChangeKind.QueueCreated).Text(Name).Number(_sequence);
            SettingsRecord.Write(changes, Settings);
        }

        write(changes);
        for (var slot = 0; slot < slotEnd; slot += SlotsAtOnce)
        {
            lock (Gate)
            {
                WriteSlotsLocked(changes, slot, Math.Min(slot + SlotsAtOnce, _table.SlotEnd));
            }

            write(changes);
        }

        WriteIds(changes, write);
    }

    /// <summary>Has the record of a slot's message stand at the end of the journal, if it is still the one at <paramref name="location"/>.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="location">Where the record stands.</param>
    /// <param name="record">The record.</param>
    public void Move(int slot, long location, ReadOnlySpan<byte> record)
    {
        var room = _store.RoomForChange(record.Length + SectionBytes);
        lock (Gate)
        {
            var entry = _table.Find(slot);
            var cold = _table.FindCold(slot);
            if (IsDeleted || (entry?.Location ?? cold?.Location) != location)
            {
                _store.Journal!.Release(room);
                return;
            }

            _changes!.Kind(ChangeKind.Moved).Number(slot);
            var offset = _changes.Position;
            var start = _store.Journal!.Append(room, _changes.Raw(record).Frame(_store.Clock.UtcNow));
            NoteWrittenLocked(start);
            var moved = start + offset;
            _store.Journal.NoteRemoved(location, record.Length);
            _store.Journal.NoteStored(moved, record.Length);
            if (entry is not null)
            {
                entry.Location = moved;
            }
            else
            {
                _table.Move(slot, moved, record.Length);
            }
        }
    }

    private void WriteSlotsLocked(ChangeWriter changes, int from, int end)
    {
        for (var slot = from; slot < end && !IsDeleted; slot++)
        {
            if (_table.Find(slot) is { } entry)
            {
                // Without a location while the journal does not take it, because the disk is full: then nobody was told that it is stored.
                if (entry.Location > QueueEntry.Nowhere)
                {
                    KeptOf(entry).Write(changes);
                }
            }
            else if (_table.FindCold(slot) is { Location: > QueueEntry.Nowhere } cold)
            {
                KeptEntry.Of(in cold, slot, Main.SequenceOf(in cold)).Write(changes);
            }
        }
    }

    private KeptEntry KeptOf(QueueEntry entry)
    {
        var death = entry.Death;
        return new KeptEntry
        {
            Slot = entry.Slot,
            Location = entry.Location,
            RecordBytes = entry.RecordBytes,
            BodyBytes = entry.BodyBytes,
            Sequence = entry.Sequence,
            Attempts = entry.Attempts,
            Priority = entry.Priority,
            HasSenderId = entry.HasSenderId,
            WasLeased = entry.WasLeased,
            IsLeased = entry.Place == EntryPlace.Leased,
            Key = entry.IsKeyed ? entry.Key?.Line.Key ?? MessageOf(entry).Key : null,
            JoinedAt = entry.Key?.JoinedAt ?? 0,
            DueAt = entry.Place == EntryPlace.Scheduled ? WallTimeOf(entry.Time).UtcTicks : 0,
            ExpiresAt = entry.ExpiresAt == MonotonicClock.Never ? 0 : WallTimeOf(entry.ExpiresAt).UtcTicks,
            LastError = entry.LastError,
            DeathReason = death?.Reason,
            DiedAt = death?.At.UtcTicks ?? 0,
            DeathAttempts = death?.Attempts ?? 0,
            DeathError = death?.LastError,
        };
    }

    private void WriteIds(ChangeWriter changes, Action<ChangeWriter> write)
    {
        (UInt128 Id, int Slot)[] live;
        (UInt128 Id, long SettledAt)[] settled;
        long wallOffset;
        lock (Gate)
        {
            live = _liveIds.ToArray();
            settled = _window.ToArray();
            wallOffset = WallTimeOf(0).UtcTicks;
        }

        for (var i = 0; i < live.Length; i++)
        {
            changes.Kind(ChangeKind.SentId).Number(live[i].Slot).Hash(live[i].Id);
            if (i % IdsAtOnce == IdsAtOnce - 1)
            {
                write(changes);
            }
        }

        for (var i = 0; i < settled.Length; i++)
        {
            changes.Kind(ChangeKind.SettledId).Hash(settled[i].Id).Ticks(settled[i].SettledAt + wallOffset);
            if (i % IdsAtOnce == IdsAtOnce - 1)
            {
                write(changes);
            }
        }

        write(changes);
    }
}
