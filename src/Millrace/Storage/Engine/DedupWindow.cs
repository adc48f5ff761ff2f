using System.Diagnostics;

namespace Millrace.Storage.Engine;

/// <summary>
/// The ids of settled messages that are still refused (law Q2): 128-bit hashes in the order of settling, bounded by age and count. Not safe for concurrent use.
/// </summary>
/// <remarks>
/// A ring in order of age is the storage, and a table of buckets points into it: the newest hash of a bucket, which links to the older ones. What leaves
/// is always the oldest, so it is the last of its chain. That is 32 bytes an id and 4 to 8 for its bucket; nothing is allocated per id.
/// </remarks>
internal sealed class DedupWindow
{
    private const int MinimumCapacity = 64;
    private const int None = -1;

    private Slot[] _ring = [];
    private int[] _buckets = [];
    private int _first;
    private int _used;

    /// <summary>Ids that are remembered.</summary>
    public int Count { get; private set; }

    /// <summary>When the oldest remembered id was settled; <see cref="MonotonicClock.Never"/> when there is none.</summary>
    public long OldestSettledAt => _used == 0 ? MonotonicClock.Never : _ring[_first].SettledAt;

    public bool Contains(UInt128 id) => _used > 0 && Find(id) != None;

    /// <summary>Remembers an id as settled now. An id that is remembered already counts from now instead.</summary>
    /// <returns>How many ids were forgotten for it: at most one, and only when <paramref name="maxEntries"/> is reached.</returns>
    public int Add(UInt128 id, long settledAt, int maxEntries)
    {
        Debug.Assert(_used == 0 || settledAt >= _ring[Wrap(_first + _used - 1)].SettledAt, "Ids are added in the order of their time.");
        if (maxEntries == 0)
        {
            return 1;
        }

        if (_used > 0 && Find(id) is var known && known != None && !_ring[known].IsForgotten)
        {
            _ring[known].IsForgotten = true;
            Count--;
            DropForgotten();
        }

        if (_used == _ring.Length)
        {
            Rebuild();
        }

        ref var bucket = ref _buckets[BucketOf(id)];
        var position = Wrap(_first + _used++);
        _ring[position] = new Slot { Id = id, SettledAt = settledAt, Older = bucket };
        bucket = position;
        Count++;
        return Trim(maxEntries);
    }

    /// <summary>The ids that are remembered with the times of their settling, oldest first.</summary>
    public (UInt128 Id, long SettledAt)[] ToArray()
    {
        var ids = new (UInt128, long)[Count];
        var count = 0;
        for (var i = 0; i < _used; i++)
        {
            ref var slot = ref _ring[Wrap(_first + i)];
            if (!slot.IsForgotten)
            {
                ids[count++] = (slot.Id, slot.SettledAt);
            }
        }

        return ids;
    }

    /// <summary>Forgets ids that were settled at or before <paramref name="instant"/>.</summary>
    public void ForgetUntil(long instant)
    {
        while (_used > 0 && _ring[_first].SettledAt <= instant)
        {
            DropFirst();
            DropForgotten();
        }

        if (_ring.Length > MinimumCapacity && _used < _ring.Length / 8)
        {
            Rebuild();
        }
    }

    /// <summary>Forgets the oldest ids beyond <paramref name="maxEntries"/>.</summary>
    /// <returns>How many.</returns>
    public int Trim(int maxEntries)
    {
        var forgotten = 0;
        for (; Count > maxEntries; forgotten++)
        {
            DropFirst();
            DropForgotten();
        }

        return forgotten;
    }

    private int Find(UInt128 id)
    {
        for (var position = _buckets[BucketOf(id)]; position != None; position = _ring[position].Older)
        {
            if (_ring[position].Id == id && !_ring[position].IsForgotten)
            {
                return position;
            }
        }

        return None;
    }

    private void DropForgotten()
    {
        while (_used > 0 && _ring[_first].IsForgotten)
        {
            DropFirst();
        }
    }

    private void DropFirst()
    {
        ref var first = ref _ring[_first];
        ref var link = ref _buckets[BucketOf(first.Id)];
        while (link != _first)
        {
            link = ref _ring[link].Older;
        }

        Debug.Assert(first.Older == None, "The oldest of the window is the oldest of its bucket.");
        link = None;
        Count -= first.IsForgotten ? 0 : 1;
        first = default;
        _first = Wrap(_first + 1);
        _used--;
    }

    /// <summary>Copies what is remembered into a ring of the right size, without the slots of ids that were added again.</summary>
    private void Rebuild()
    {
        var (old, first, used) = (_ring, _first, _used);
        var capacity = MinimumCapacity;
        while (capacity < Count * 2)
        {
            capacity *= 2;
        }

        _ring = new Slot[capacity];
        _buckets = new int[capacity];
        Array.Fill(_buckets, None);
        (_first, _used) = (0, 0);
        for (var i = 0; i < used; i++)
        {
            ref var slot = ref old[(first + i) & (old.Length - 1)];
            if (!slot.IsForgotten)
            {
                ref var bucket = ref _buckets[BucketOf(slot.Id)];
                _ring[_used] = slot with { Older = bucket };
                bucket = _used++;
            }
        }

        Debug.Assert(_used == Count, "A rebuilt ring holds what is remembered and nothing else.");
    }

    private int Wrap(int position) => position & (_ring.Length - 1);

    private int BucketOf(UInt128 id) => (int)(uint)(ulong)id & (_buckets.Length - 1);

    private struct Slot
    {
        public UInt128 Id;
        public long SettledAt;
        public int Older;
        public bool IsForgotten;
    }
}
