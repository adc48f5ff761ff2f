using System.Runtime.InteropServices;

namespace Millrace.Storage.Engine;

/// <content>
/// Making the queue again from a checkpoint and the journal after it. While that is read, messages stand in their slots and nowhere else; <see cref="FinishLoading"/> gives them their places.
/// Nobody else has the queue yet.
/// </content>
internal sealed partial class QueueCore
{
    private LoadedDetails? _loading;

    private LoadedDetails Loading => _loading ??= new LoadedDetails();

    /// <summary>The sequence that the queue had at least.</summary>
    public void LoadSequence(long sequence) => _sequence = Math.Max(_sequence, sequence);

    /// <summary>Settings from a time on. Ids that had left the window by then are not known again because it has become longer.</summary>
    public void LoadSettings(QueueSettings settings, long at)
    {
        if (_loading is { Settled.Count: > 0 } loading)
        {
            foreach (var (hash, settledAt) in loading.Settled)
            {
                if (settledAt <= at - DedupWindowTicks)
                {
                    loading.Settled.Remove(hash);
                }
            }
        }

        Settings = settings;
    }

    /// <summary>A message came into a slot.</summary>
    public void LoadStored(int slot, in StoredMessage stored, long location)
    {
        var kept = new KeptEntry
        {
            Slot = slot,
            Location = location,
            RecordBytes = stored.RecordBytes,
            BodyBytes = stored.BodyBytes,
            Sequence = stored.Sequence,
            Priority = stored.Priority,
            HasSenderId = stored.HasSenderId,
            Key = stored.Key,
            JoinedAt = stored.DueAt == 0 ? stored.Sequence : 0,
            DueAt = stored.DueAt,
            ExpiresAt = stored.ExpiresAt,
        };
        LoadKept(in kept);
        if (stored.HasSenderId)
        {
            Loading.Ids[slot] = HashOf(stored.Id);
        }
    }

    /// <summary>What a checkpoint has of a message.</summary>
    public void LoadKept(in KeptEntry kept)
    {
        Empty(kept.Slot);
        LoadSequence(kept.Sequence);
        if (kept.IsPlain)
        {
            _table.SetCold(kept.Slot, new ColdEntry(kept.Location, kept.RecordBytes, kept.BodyBytes, kept.Sequence, kept.Priority, kept.HasSenderId));
            return;
        }

        var entry = _table.Occupy(kept.Slot);
        entry.Location = kept.Location;
        entry.RecordBytes = kept.RecordBytes;
        entry.BodyBytes = kept.BodyBytes;
        entry.Sequence = kept.Sequence;
        entry.Attempts = kept.Attempts;
        entry.Priority = kept.Priority;
        entry.HasSenderId = kept.HasSenderId;
        entry.WasLeased = kept.WasLeased;
        entry.Place = kept.IsLeased ? EntryPlace.Leased : EntryPlace.Ready;
        entry.LastError = kept.LastError;
        entry.Section = kept.DeathReason is null ? Main : Dead;
        entry.Time = kept.DueAt;
        entry.ExpiresAt = kept.ExpiresAt == 0 ? MonotonicClock.Never : kept.ExpiresAt;
        entry.IsKeyed = kept.Key is not null;
        if (kept.Key is not null)
        {
            Loading.Lines[kept.Slot] = (kept.Key, kept.JoinedAt);
        }

        if (kept.DeathReason is not null)
        {
            Loading.Deaths[kept.Slot] = new DeadLetterInfo(kept.DeathReason, kept.DeathError, kept.DeathAttempts, new DateTimeOffset(kept.DiedAt, TimeSpan.Zero));
        }
    }

    public void LoadSentId(int slot, UInt128 hash) => Loading.Ids[slot] = hash;

    public void LoadSettledId(UInt128 hash, long settledAt)
    {
        ref var known = ref CollectionsMarshal.GetValueRefOrAddDefault(Loading.Settled, hash, out _);
        known = Math.Max(known, settledAt);
    }

    public void LoadRemoved(int slot, long at)
    {
        SettleLoadedId(slot, at);
        Empty(slot);
    }

    public void LoadLeased(int slot, int attempts)
    {
        if (Thaw(slot) is { } entry)
        {
            entry.Attempts = attempts;
            entry.WasLeased = true;
            entry.Place = EntryPlace.Leased;
            entry.Time = 0;
        }
    }

    public void LoadReturned(int slot, int attempts, long sequence, long dueAt, string? lastError)
    {
        if (Thaw(slot) is { } entry)
        {
            entry.Attempts = attempts;
            entry.WasLeased = true;
            entry.LastError = lastError;
            Place(entry, sequence, dueAt);
        }
    }

    public void LoadDied(int slot, long sequence, int attempts, string reason, string? lastError, long at)
    {
        SettleLoadedId(slot, at);
        if (Thaw(slot) is { } entry)
        {
            entry.Section = Dead;
            entry.Attempts = attempts;
            entry.LastError = lastError;
            entry.ExpiresAt = MonotonicClock.Never;
            Loading.Deaths[slot] = new DeadLetterInfo(reason, lastError, attempts, new DateTimeOffset(at, TimeSpan.Zero));
            Place(entry, sequence, dueAt: 0);
            Join(slot, sequence);
        }
    }

    public void LoadPromoted(int slot, long sequence)
    {
        if (Thaw(slot) is { } entry)
        {
            Place(entry, sequence, dueAt: 0);

            // A delayed release has kept its place in the line.
            if (Loading.Lines.TryGetValue(slot, out var line) && line.JoinedAt == 0)
            {
                Join(slot, sequence);
            }
        }
    }

    public void LoadRedriven(int slot, long sequence)
    {
        if (Thaw(slot) is { } entry)
        {
            entry.Section = Main;
            entry.Attempts = 0;
            entry.LastError = null;
            Loading.Deaths.Remove(slot);
            Place(entry, sequence, dueAt: 0);
            Join(slot, sequence);
        }
    }

    public void LoadRescheduled(int slot, long sequence, long dueAt)
    {
        if (Thaw(slot) is { } entry)
        {
            Place(entry, sequence, dueAt);
            Join(slot, dueAt == 0 ? sequence : 0);
        }
    }

    public void LoadMoved(int slot, int recordBytes, long location)
    {
        if (_table.Find(slot) is { } entry)
        {
            entry.Location = location;
            entry.RecordBytes = recordBytes;
        }
        else if (_table.FindCold(slot) is not null)
        {
            _table.Move(slot, location, recordBytes);
        }
    }

    /// <summary>Gives every message its place: leases have ended, and what became due or expired meanwhile does so now.</summary>
    /// <returns>What is left to do outside the gate.</returns>
    public OperationEnd FinishLoading()
    {
        lock (Gate)
        {
            var now = _store.Clock.Now;
            _now = now;
            var wallOffset = WallTimeOf(0).UtcTicks;
            var leased = new List<QueueEntry>();
            LoadWindowLocked(wallOffset, now);
            var order = ReadyOrderLocked(wallOffset, leased);
            JoinLinesLocked();
            foreach (var slot in order)
            {
                PlaceReadyLocked(slot);
            }

            _table.FindFreeSlots();
            LoadIdsLocked();
            _loading = null;
            foreach (var entry in leased)
            {
                EndLoadedLeaseLocked(entry);
            }

            _nextEvent = long.MinValue;
            AdvanceLocked(now);
            return FinishLocked(default);
        }
    }

    /// <summary>Where scheduled messages go at once; of the others, the order in which they are to be placed.</summary>
    private int[] ReadyOrderLocked(long wallOffset, List<QueueEntry> leased)
    {
        var sequences = new List<long>();
        var slots = new List<int>();
        for (var slot = 0; slot < _table.SlotEnd; slot++)
        {
            if (_table.FindCold(slot) is { } cold)
            {
                sequences.Add(cold.SequenceUpTo(_sequence));
                slots.Add(slot);
                Main.Bytes += cold.BodyBytes;
                _store.Journal!.NoteStored(cold.Location, cold.RecordBytes);
            }
            else if (_table.Find(slot) is { } entry)
            {
                _store.Journal!.NoteStored(entry.Location, entry.RecordBytes);
                entry.Section.Bytes += entry.BodyBytes;
                LoadTimesLocked(entry, wallOffset);
                if (entry.Place == EntryPlace.Leased)
                {
                    leased.Add(entry);
                }

                if (entry.Place != EntryPlace.Scheduled)
                {
                    sequences.Add(entry.Sequence);
                    slots.Add(slot);
                }
            }
        }

        var order = slots.ToArray();
        var keys = CollectionsMarshal.AsSpan(sequences);
        for (var i = 1; i < keys.Length; i++)
        {
            if (keys[i] < keys[i - 1])
            {
                keys.Sort(order.AsSpan());
                break;
            }
        }

        return order;
    }

    private void LoadTimesLocked(QueueEntry entry, long wallOffset)
    {
        if (entry.ExpiresAt != MonotonicClock.Never)
        {
            entry.ExpiresAt -= wallOffset;
            _expiries.Add(entry, entry.ExpiresAt, entry.Sequence);
        }

        if (Loading.Deaths.TryGetValue(entry.Slot, out var death))
        {
            entry.Death = death;
        }

        if (entry.Time != 0)
        {
            entry.Time -= wallOffset;
            entry.Place = EntryPlace.Scheduled;
        }
    }

    private void JoinLinesLocked()
    {
        var lines = new List<(long JoinedAt, string Key, QueueEntry Entry)>();
        foreach (var (slot, (key, joinedAt)) in Loading.Lines)
        {
            if (joinedAt != 0 && _table.Find(slot) is { } entry)
            {
                lines.Add((joinedAt, key, entry));
            }
        }

        lines.Sort(static (left, right) => left.JoinedAt.CompareTo(right.JoinedAt));
        foreach (var (joinedAt, key, entry) in lines)
        {
            entry.Section.Rejoin(entry, key, joinedAt);
        }

        for (var slot = 0; slot < _table.SlotEnd; slot++)
        {
            if (_table.Find(slot) is { Place: EntryPlace.Scheduled } entry)
            {
                entry.Section.AddScheduled(entry);
            }
        }
    }

    private void PlaceReadyLocked(int slot)
    {
        if (_table.FindCold(slot) is { } cold)
        {
            Main.AddCold(slot, in cold, cold.SequenceUpTo(_sequence));
        }
        else
        {
            var entry = _table.Find(slot)!;
            entry.Section.AddLoaded(entry);
        }
    }

    private void LoadIdsLocked()
    {
        foreach (var (slot, hash) in Loading.Ids)
        {
            if (_table.FindCold(slot) is { HasSenderId: true } || _table.Find(slot) is { HasSenderId: true })
            {
                _liveIds.Add(hash, slot);
            }
        }
    }

    private void LoadWindowLocked(long wallOffset, long now)
    {
        var settled = Loading.Settled.ToArray();
        Array.Sort(settled, static (left, right) => left.Value.CompareTo(right.Value));
        foreach (var (hash, settledAt) in settled)
        {
            // The wall clock may have been set back since: nothing was settled in the future.
            _window.Add(hash, Math.Min(settledAt - wallOffset, now), Settings.DedupMaxEntries);
        }
    }

    /// <summary>A message that a receiver had when the store ended is ready again, unless that was its last attempt.</summary>
    private void EndLoadedLeaseLocked(QueueEntry entry)
    {
        if (!entry.Section.IsDead && entry.Attempts >= Settings.MaxDeliveries && entry.Place is EntryPlace.Ready or EntryPlace.Blocked)
        {
            entry.Section.Remove(entry);
            DieLocked(entry, DeadLetterInfo.MaxDeliveriesReason);
        }
    }

    private void Place(QueueEntry entry, long sequence, long dueAt)
    {
        LoadSequence(sequence);
        entry.Sequence = sequence;
        entry.Time = dueAt;
        entry.Place = EntryPlace.Ready;
    }

    private void Join(int slot, long joinedAt)
    {
        if (Loading.Lines.TryGetValue(slot, out var line))
        {
            Loading.Lines[slot] = (line.Key, joinedAt);
        }
    }

    private void SettleLoadedId(int slot, long at)
    {
        // Without a window nothing was remembered, also if the queue was given one since.
        if (DedupWindowTicks > 0 && _table.Find(slot) is not { Section.IsDead: true } && Loading.Ids.TryGetValue(slot, out var hash))
        {
            LoadSettledId(hash, at);
        }
    }

    /// <summary>The entry in a slot, cold or not; null when a newer checkpoint has found it gone already.</summary>
    private QueueEntry? Thaw(int slot)
    {
        if (_table.Find(slot) is { } entry)
        {
            return entry;
        }

        if (_table.FindCold(slot) is not { } cold)
        {
            return null;
        }

        entry = _table.Warm(slot);
        entry.Sequence = cold.SequenceUpTo(_sequence);
        entry.Section = Main;
        entry.Time = 0;
        entry.Place = EntryPlace.Ready;
        return entry;
    }

    private void Empty(int slot)
    {
        _table.Empty(slot);
        _loading?.Forget(slot);
    }

    /// <summary>What is known of messages while they are read, by slot.</summary>
    private sealed class LoadedDetails
    {
        public Dictionary<int, UInt128> Ids { get; } = [];

        public Dictionary<int, (string Key, long JoinedAt)> Lines { get; } = [];

        public Dictionary<int, DeadLetterInfo> Deaths { get; } = [];

        public Dictionary<UInt128, long> Settled { get; } = [];

        public void Forget(int slot)
        {
            Ids.Remove(slot);
            Lines.Remove(slot);
            Deaths.Remove(slot);
        }
    }
}
