using System.Diagnostics;

namespace Millrace.Storage.Engine;

/// <summary>
/// The entries of one queue by slot: tokens, store-assigned ids and the journal hold the slot, so that finding an entry takes two array reads and no index. A slot holds an
/// entry, or what is left of one that was <see cref="Cool">cooled</see>. Some entries are kept for use again; more than that are left to the collector. Guarded by the
/// gate of its queue.
/// </summary>
internal sealed class EntryTable
{
    private const int ChunkBits = 10;
    private const int ChunkSize = 1 << ChunkBits;

    // Enough that a queue in balance never allocates entries; at most 200 KB a queue.
    private const int MaxKept = 1024;

    // A drained table larger than this is dropped whole.
    private const int MaxIdleSlots = 64 * ChunkSize;

    private Chunk[] _chunks = [];
    private QueueEntry[] _kept = [];
    private int _keptCount;
    private int[] _freeSlots = [];
    private int _freeCount;

    /// <summary>Slots in use, cold ones included.</summary>
    public int Count { get; private set; }

    /// <summary>Slots that are or were in use: every slot in use is below this.</summary>
    public int SlotEnd { get; private set; }

    public QueueEntry Rent() => Occupy(TakeSlot());

    /// <summary>A free slot, which is <see cref="SetCold">made cold</see> next.</summary>
    public int TakeSlot() => _freeCount > 0 ? _freeSlots[--_freeCount] : SlotEnd++;

    public void Return(QueueEntry entry)
    {
        Vacate(entry);
        Push(ref _freeSlots, ref _freeCount, entry.Slot);
        if (Count == 0 && SlotEnd > MaxIdleSlots)
        {
            Clear();
        }
    }

    /// <summary>The entry in a slot; null when the slot is free, or cold, or there is no such slot.</summary>
    public QueueEntry? Find(int slot)
    {
        var chunk = slot >> ChunkBits;
        return (uint)chunk < (uint)_chunks.Length && _chunks[chunk].Entries is { } entries ? entries[slot & (ChunkSize - 1)] : null;
    }

    /// <summary>What a cold slot holds; null when the slot is not cold.</summary>
    public ColdEntry? FindCold(int slot)
    {
        var chunk = slot >> ChunkBits;
        return (uint)chunk < (uint)_chunks.Length && _chunks[chunk].Cold is { } cold && cold[slot & (ChunkSize - 1)] is { IsUsed: true } found ? found : null;
    }

    /// <summary>Lets go of an entry that stands nowhere, and keeps what finds it again in its slot.</summary>
    public void Cool(QueueEntry entry)
    {
        var cold = ColdEntry.Of(entry);
        var slot = entry.Slot;
        Vacate(entry);
        SetCold(slot, cold);
    }

    /// <summary>Makes a slot cold that is free, as a start does with what the journal has.</summary>
    public void SetCold(int slot, in ColdEntry cold)
    {
        ref var chunk = ref ChunkOf(slot);
        (chunk.Cold ??= new ColdEntry[ChunkSize])[slot & (ChunkSize - 1)] = cold;
        Count++;
    }

    /// <summary>Makes a cold slot an entry again, which stands nowhere yet and has no message in memory.</summary>
    public QueueEntry Warm(int slot)
    {
        ref var cold = ref _chunks[slot >> ChunkBits].Cold![slot & (ChunkSize - 1)];
        Debug.Assert(cold.IsUsed, "Only a cold slot can be warmed.");
        Count--;
        var entry = Occupy(slot);
        cold.CopyTo(entry);
        cold = default;
        return entry;
    }

    /// <summary>An entry in a given slot, as a start puts back what the journal has.</summary>
    public QueueEntry Occupy(int slot)
    {
        ref var chunk = ref ChunkOf(slot);
        var entry = _keptCount > 0 ? _kept[--_keptCount] : new QueueEntry();
        entry.Slot = slot;
        (chunk.Entries ??= new QueueEntry?[ChunkSize])[slot & (ChunkSize - 1)] = entry;
        Count++;
        return entry;
    }

    /// <summary>Empties a slot, whatever it holds, as long as that stands nowhere.</summary>
    public void Empty(int slot)
    {
        if (Find(slot) is { } entry)
        {
            Vacate(entry);
        }
        else if (FindCold(slot) is not null)
        {
            _chunks[slot >> ChunkBits].Cold![slot & (ChunkSize - 1)] = default;
            Count--;
        }
    }

    /// <summary>Says where the record of a cold message stands now.</summary>
    public void Move(int slot, long location, int recordBytes)
    {
        ref var cold = ref _chunks[slot >> ChunkBits].Cold![slot & (ChunkSize - 1)];
        cold = cold.At(location, recordBytes);
    }

    /// <summary>After a start has put everything into its slots: the slots between are free.</summary>
    public void FindFreeSlots()
    {
        for (var slot = SlotEnd - 1; slot >= 0; slot--)
        {
            if (Find(slot) is null && FindCold(slot) is null)
            {
                Push(ref _freeSlots, ref _freeCount, slot);
            }
        }
    }

    private static void Push<T>(ref T[] stack, ref int count, T item)
    {
        if (count == stack.Length)
        {
            Array.Resize(ref stack, Math.Max(16, count * 2));
        }

        stack[count++] = item;
    }

    private ref Chunk ChunkOf(int slot)
    {
        if (slot >> ChunkBits >= _chunks.Length)
        {
            Array.Resize(ref _chunks, Math.Max((slot >> ChunkBits) + 1, Math.Max(4, _chunks.Length * 2)));
        }

        SlotEnd = Math.Max(SlotEnd, slot + 1);
        return ref _chunks[slot >> ChunkBits];
    }

    private void Vacate(QueueEntry entry)
    {
        Debug.Assert(entry is { Previous: null, Next: null, Key: null, Holder: null, HeapPosition: -1, ExpiryPosition: -1 }, "A free entry stands nowhere.");
        Count--;
        _chunks[entry.Slot >> ChunkBits].Entries![entry.Slot & (ChunkSize - 1)] = null;
        entry.Place = EntryPlace.Free;
        entry.Message = null;
        entry.LastError = null;
        entry.Death = null;
        entry.ExpiresAt = MonotonicClock.Never;
        entry.Location = QueueEntry.Nowhere;
        entry.Attempts = 0;
        entry.WasLeased = false;
        entry.HasSenderId = false;
        entry.IsKeyed = false;
        entry.IsWaived = false;
        entry.IsDamaged = false;
        if (_keptCount < MaxKept)
        {
            Push(ref _kept, ref _keptCount, entry);
        }
    }

    private void Clear()
    {
        _chunks = [];
        _kept = [];
        _keptCount = 0;
        _freeSlots = [];
        _freeCount = 0;
        SlotEnd = 0;
    }

    private struct Chunk
    {
        public QueueEntry?[]? Entries;
        public ColdEntry[]? Cold;
    }
}
