namespace Millrace.Storage.FileLog;

/// <summary>The reservations of one log that are neither used nor given back. Not safe for concurrent use.</summary>
internal sealed class ReservationTable
{
    private Slot[] _slots = new Slot[4];
    private int _free = -1;
    private int _used;
    private int _count;

    /// <summary>The bytes of all of them.</summary>
    public long Bytes { get; private set; }

    /// <summary>At least the bytes of the largest.</summary>
    public long Largest { get; private set; }

    public (int Slot, int Version) Add(long bytes)
    {
        int index;
        if (_free >= 0)
        {
            index = _free;
            _free = _slots[index].Next;
        }
        else
        {
            if (_used == _slots.Length)
            {
                Array.Resize(ref _slots, _slots.Length * 2);
            }

            index = _used++;
        }

        ref var slot = ref _slots[index];
        slot.Bytes = bytes;
        _count++;
        Bytes += bytes;
        Largest = Math.Max(Largest, bytes);
        return (index, slot.Version);
    }

    /// <summary>Ends a reservation.</summary>
    /// <returns>Its bytes; -1 when it had ended.</returns>
    public long Remove(in LogReservation reservation)
    {
        if (reservation.Slot >= _used || _slots[reservation.Slot].Version != reservation.Version)
        {
            return -1;
        }

        ref var slot = ref _slots[reservation.Slot];
        var bytes = slot.Bytes;
        slot.Version++;
        slot.Next = _free;
        _free = reservation.Slot;
        Bytes -= bytes;
        if (--_count == 0)
        {
            Largest = 0;
        }

        return bytes;
    }

    private struct Slot
    {
        public long Bytes;
        public int Version;
        public int Next;
    }
}
