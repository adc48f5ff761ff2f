using Millrace.Hosting;
using Millrace.Storage.Engine;

namespace Millrace.Storage.FileLog.Journal;

/// <summary>The journal of the engines: frames of changes in a <see cref="FileLog"/>, and how much of each of its segments is still needed.</summary>
/// <param name="log">The log.</param>
/// <param name="wake">Set when the journal has grown beyond what <see cref="WakeAt"/> said, when the disk is full, and when the log has failed.</param>
internal sealed class EngineJournal(FileLog log, AsyncSignal wake) : IEngineJournal
{
    private long _wakeAt = long.MaxValue;

    // Records are stored at the end and removed in about the order in which they were stored, so the last segment found is nearly always the next one too.
    private LogSegment? _lastStored;
    private LogSegment? _lastRemoved;
    private int _isFull;

    public FileLog Log => log;

    /// <summary>Set when there is something to do for whoever tidies the journal.</summary>
    public AsyncSignal Wake => wake;

    /// <summary>Whether the disk was full since this was last asked.</summary>
    public bool TakeFull() => Interlocked.Exchange(ref _isFull, 0) != 0;

    /// <summary>Has <see cref="Wake"/> set, once, when the journal ends at this position or later.</summary>
    public void WakeAt(long position) => Volatile.Write(ref _wakeAt, position);

    public JournalRoom Reserve(long bytes, bool isEssential)
    {
        if (bytes == 0)
        {
            return default;
        }

        try
        {
            var reservation = log.Reserve(bytes, isEssential);
            return new JournalRoom(bytes, reservation.Slot, reservation.Version);
        }
        catch (BackendUnavailableException) when (!log.HasFailed && Interlocked.Exchange(ref _isFull, 1) == 0)
        {
            wake.Set();
            throw;
        }
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
            try
            {
                room = Reserve(frame.Length, isEssential: true);
            }
            catch (BackendUnavailableException fault)
            {
                throw new BackendUnavailableException(fault.Message, mayHaveBeenApplied: true, fault);
            }
        }

        var start = log.Append(ReservationOf(room), frame);
        if (start >= Volatile.Read(ref _wakeAt))
        {
            WakeAt(long.MaxValue);
            wake.Set();
        }

        return start;
    }

    public void WriteThrough(long end) => log.WriteThrough(end);

    public bool IsDurable(long end) => log.IsDurable(end);

    public ValueTask FlushAsync(long end) => log.FlushAsync(end);

    public void Read(long position, Span<byte> into) => log.ReadAt(position, into);

    public long ReadableTo(long position) => log.FindSegment(position)?.EndPosition ?? position;

    public void NoteStored(long location, int recordBytes) => Find(location, ref _lastStored)?.AddLiveBytes(recordBytes);

    public void NoteRemoved(long location, int recordBytes) => Find(location, ref _lastRemoved)?.AddLiveBytes(-recordBytes);

    private LogSegment? Find(long location, ref LogSegment? last) =>
        Volatile.Read(ref last) is { } known && location >= known.StartPosition && location < known.EndPosition
            ? known
            : last = log.FindSegment(location);

    private LogReservation ReservationOf(JournalRoom room) => new(log, room.Slot, room.Version);
}
