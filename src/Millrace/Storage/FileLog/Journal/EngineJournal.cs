using Millrace.Hosting;
using Millrace.Storage.Engine;

namespace Millrace.Storage.FileLog.Journal;

/// <summary>The journal of the engines: frames of changes in a <see cref="FileLog"/>, and how much of each of its segments is still needed.</summary>
internal sealed class EngineJournal(FileLog log, StoreDurability durability) : IEngineJournal
{
    private long _wakeAt = long.MaxValue;

    public StoreDurability Durability => durability;

    public FileLog Log => log;

    /// <summary>Set when the journal has grown beyond what <see cref="WakeAt"/> said.</summary>
    public AsyncSignal Grown { get; } = new();

    /// <summary>Has <see cref="Grown"/> set, once, when the journal ends at this position or later.</summary>
    public void WakeAt(long position) => Volatile.Write(ref _wakeAt, position);

    public JournalRoom Reserve(long bytes, bool isEssential)
    {
        if (bytes == 0)
        {
            return default;
        }

        var reservation = log.Reserve(bytes, isEssential);
        return new JournalRoom(bytes, reservation.Slot, reservation.Version);
    }

    public void Release(JournalRoom room)
    {
        if (room.Bytes > 0)
        {
            ReservationOf(room).Dispose();
        }
    }

    public long Append(JournalRoom room, ReadOnlySpan<byte> frame)
    {
        if (room.Bytes < frame.Length)
        {
            // What time has changed beside it was more than is set aside for that.
            Release(room);
            room = Reserve(frame.Length, isEssential: true);
        }

        var start = log.Append(ReservationOf(room), frame);
        if (start >= Volatile.Read(ref _wakeAt))
        {
            WakeAt(long.MaxValue);
            Grown.Set();
        }

        return start;
    }

    public void WriteThrough(long end) => log.WriteThrough(end);

    public bool IsDurable(long end) => log.IsDurable(end);

    public ValueTask FlushAsync(long end) => log.FlushAsync(end);

    public void Read(long position, Span<byte> into) => log.ReadAt(position, into);

    public long ReadableTo(long position) => log.FindSegment(position)?.EndPosition ?? position;

    public void NoteStored(long location, int recordBytes) => log.FindSegment(location)?.AddLiveBytes(recordBytes);

    public void NoteRemoved(long location, int recordBytes) => log.FindSegment(location)?.AddLiveBytes(-recordBytes);

    private LogReservation ReservationOf(JournalRoom room) => new(log, room.Slot, room.Version);
}
