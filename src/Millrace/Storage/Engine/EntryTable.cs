using System.Diagnostics;

namespace Millrace.Storage.Engine;

/// <summary>
/// The entries of one queue by slot: tokens and store-assigned ids hold the slot, so that finding either takes two array reads and no index. Some entries are
/// kept for use again; more than that are left to the collector. Guarded by the gate of its queue.
/// </summary>
internal sealed class EntryTable
{
    private const int ChunkBits = 10;
    private const int ChunkSize = 1 << ChunkBits;

    // Enough that a queue in balance never allocates entries; at most 150 KB a queue.
    private const int MaxKept = 1024;

    // A drained table larger than this is dropped whole.
    private const int MaxIdleSlots = 64 * ChunkSize;

    private QueueEntry?[]?[] _chunks = [];
    private QueueEntry[] _kept = [];
    private int _keptCount;
    private int[] _freeSlots = [];
    private int _freeCount;
    private int _usedSlots;

    /// <summary>Entries in use.</summary>
    public int Count { get; private set; }

    public QueueEntry Rent()
    {
        Count++;
        if (_keptCount > 0)
        {
            return _kept[--_keptCount];
        }

        var slot = _freeCount > 0 ? _freeSlots[--_freeCount] : _usedSlots++;
        if (slot >> ChunkBits == _chunks.Length)
        {
            Array.Resize(ref _chunks, Math.Max(4, _chunks.Length * 2));
        }

        var chunk = _chunks[slot >> ChunkBits] ??= new QueueEntry?[ChunkSize];
        return chunk[slot & (ChunkSize - 1)] = new QueueEntry(slot);
    }

    public void Return(QueueEntry entry)
    {
        Debug.Assert(entry is { Previous: null, Next: null, Key: null, Holder: null, HeapPosition: -1, ExpiryPosition: -1 }, "A free entry stands nowhere.");
        Count--;
        entry.Place = EntryPlace.Free;
        entry.Message = null!;
        entry.LastError = null;
        entry.ExpiresAt = MonotonicClock.Never;
        entry.Attempts = 0;
        entry.WasLeased = false;
        entry.HasSenderId = false;
        if (_keptCount < MaxKept)
        {
            Push(ref _kept, ref _keptCount, entry);
            return;
        }

        _chunks[entry.Slot >> ChunkBits]![entry.Slot & (ChunkSize - 1)] = null;
        Push(ref _freeSlots, ref _freeCount, entry.Slot);
        if (Count == 0 && _usedSlots > MaxIdleSlots)
        {
            Clear();
        }
    }

    /// <summary>The entry in a slot; null when the slot is free or there is no such slot.</summary>
    public QueueEntry? Find(int slot)
    {
        var entry = (uint)slot < (uint)_usedSlots ? _chunks[slot >> ChunkBits]![slot & (ChunkSize - 1)] : null;
        return entry is { Place: not EntryPlace.Free } ? entry : null;
    }

    private static void Push<T>(ref T[] stack, ref int count, T item)
    {
        if (count == stack.Length)
        {
            Array.Resize(ref stack, Math.Max(16, count * 2));
        }

        stack[count++] = item;
    }

    private void Clear()
    {
        _chunks = [];
        _kept = [];
        _keptCount = 0;
        _freeSlots = [];
        _freeCount = 0;
        _usedSlots = 0;
    }
}
