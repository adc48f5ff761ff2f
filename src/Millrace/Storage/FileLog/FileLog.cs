using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog;

/// <summary>
/// An append-only log of frames in a folder of segment files. Positions are bytes and only grow, over all segments; a frame never spans two. Safe for concurrent use.
/// </summary>
/// <remarks>
/// <para>An append copies its frame into memory, under a short lock. Writing is done by whoever needs it written, one at a time; flushing by one flush at a time, for all who wait.
/// <c>GroupCommitter</c> would be a thread for each log; there may be a thousand logs, so they share <see cref="FlushThreads"/>.</para>
/// <para>Positions, always: <c>StartPosition</c> &lt;= durable &lt;= written &lt;= <c>EndPosition</c>. A failed write or flush ends the log for all but readers: what the disk holds then is
/// unknown, and a second flush would report success for pages that the first has dropped.</para>
/// <para>Locks, from the outside in: <c>_spareGate</c>, <c>_ioGate</c>, <c>_gate</c>; <c>_flushGate</c> alone.</para>
/// </remarks>
internal sealed partial class FileLog : IAsyncDisposable
{
    private readonly IFileSystem _files;
    private readonly string _folder;
    private readonly FileLogOptions _options;
    private readonly ILogger _log;
    private readonly FlushThreads _threads;
    private readonly bool _ownsThreads;

    private readonly Lock _gate = new();
    private readonly LogTail _tail = new();
    private readonly ReservationTable _reservations = new();
    private LogSegment[] _segments;
    private LogSegment? _active;
    private long _activeCapacity;
    private long _end;
    private bool _isClosed;
    private BackendUnavailableException? _failure;

    private FileLog(IFileSystem files, string folder, FileLogOptions options, TimeProvider time, ILogger log, RecoveredLog recovered)
    {
        (_files, _folder, _options, _log) = (files, folder, options, log);
        _ownsThreads = options.Threads is null;
        _threads = options.Threads ?? new FlushThreads();
        _segments = [.. recovered.Segments];
        Damage = recovered.Damage;
        _end = recovered.EndPosition;
        _written = _end;
        _durable = _end;
        if (recovered.Active is { } active)
        {
            _active = active;
            _activeCapacity = active.Bytes;
            _inPlace = active;
        }

        _nextSegmentBytes = FirstSizeOf(recovered);
        _runFlush = RunFlush;
        _runWrite = RunWrite;
        _runPrepare = RunPrepare;
        _timer = options.Durability == StoreDurability.None
            ? time.CreateTimer(static log => ((FileLog)log!).OnInterval(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan)
            : null;
        _interval = options.FlushInterval ?? FileLogOptions.DefaultFlushInterval;
    }

    /// <summary>Opens the log in a folder, creating the folder if need be. Keeps the valid prefix of what is there.</summary>
    /// <exception cref="StorageCorruptException">A whole segment is missing, or a newer version wrote it; nothing was changed.</exception>
    /// <exception cref="BackendUnavailableException">The folder cannot be read or written.</exception>
    public static FileLog Open(IFileSystem files, string folder, FileLogOptions options, TimeProvider time, ILogger log)
    {
        try
        {
            files.CreateFolder(folder);
            var opened = new FileLog(files, folder, options, time, log, LogRecovery.Run(files, folder, options.TrustedTo, log));
            opened.PrepareEssential();
            return opened;
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            throw FileFaults.Describe($"The log '{Path.GetFileName(folder)}' cannot be opened", fault);
        }
    }

    /// <summary>Where the log begins: nothing before it can be read.</summary>
    public long StartPosition
    {
        get
        {
            var segments = Volatile.Read(ref _segments);
            return segments.Length > 0 ? segments[0].StartPosition : EndPosition;
        }
    }

    /// <summary>Where the log ends: the next frame comes at it, or after it.</summary>
    public long EndPosition => Volatile.Read(ref _end);

    /// <summary>Whether a fault of the disk has ended the log: it must be opened anew.</summary>
    public bool HasFailed => Failure is not null;

    /// <summary>The fault of the disk that has ended the log; null while there was none.</summary>
    public BackendUnavailableException? Failure => Volatile.Read(ref _failure);

    /// <summary>What was wrong when the log was opened; null when nothing was.</summary>
    public LogDamage? Damage { get; }

    /// <summary>The segments, oldest first, as they are now.</summary>
    public IReadOnlyList<LogSegment> Segments => Volatile.Read(ref _segments);

    /// <summary>
    /// Makes sure that a frame of at most <paramref name="payloadBytes"/> can be appended without meeting a full disk. Whoever holds it appends once, or disposes it.
    /// </summary>
    /// <param name="payloadBytes">The most bytes of the payload.</param>
    /// <param name="essential">Whether the last space may be used, so that consumers can settle on a full disk.</param>
    /// <exception cref="BackendUnavailableException">The disk is full, and nothing was changed; or the log has failed.</exception>
    public LogReservation Reserve(long payloadBytes, bool essential)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(payloadBytes, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(payloadBytes, LogFormat.MaxPayloadBytes);
        var bytes = payloadBytes + LogFormat.FrameBytes;
        while (true)
        {
            lock (_gate)
            {
                ThrowIfUnusableLocked();
                if (HasRoomLocked(bytes) && (essential || !_lacksEssential))
                {
                    var (slot, version) = _reservations.Add(bytes);
                    return new LogReservation(this, slot, version);
                }
            }

            MakeRoom(bytes, essential);
        }
    }

    /// <summary>Has the next frame begin a segment, unless what is reserved may need the room that is left in this one. So segments can be made small of which all is to go at once.</summary>
    public void Roll()
    {
        lock (_gate)
        {
            if (_active is not { } active || _end - active.StartPosition <= LogFormat.HeaderBytes)
            {
                return;
            }

            var capacity = _activeCapacity;
            _activeCapacity = _end - active.StartPosition;
            if (!HasRoomLocked(0))
            {
                _activeCapacity = capacity;
                return;
            }

            // The next one will not be filled any more than this one was.
            _nextSegmentBytes = Math.Min(_nextSegmentBytes, Math.Max(_options.FirstSegmentBytes ?? _options.SegmentBytes, 2 * _activeCapacity));
        }
    }

    /// <summary>Appends a frame. It takes no lock of others and completes nobody, and does no I/O unless 16 MiB wait to be written.</summary>
    /// <returns>The position of the first byte of its payload.</returns>
    public long Append(in LogReservation reservation, ReadOnlySpan<byte> payload)
    {
        if (!reservation.IsOf(this))
        {
            throw new ArgumentException("The reservation is not one of this log.", nameof(reservation));
        }

        ArgumentOutOfRangeException.ThrowIfZero(payload.Length, nameof(payload));
        var crc = Crc32C.Of(payload);
        var bytes = LogFormat.FrameBytes + payload.Length;
        long position, waiting;
        bool arm, prepare;
        lock (_gate)
        {
            ThrowIfUnusableLocked();
            var reserved = _reservations.Remove(in reservation);
            if (reserved < bytes)
            {
                throw new ArgumentException($"A payload of {payload.Length} bytes is longer than what was reserved for it, or the reservation has been used.", nameof(payload));
            }

            var segment = SegmentForLocked(bytes);
            position = _end;
            var frame = _tail.Claim(segment, bytes);
            LogFormat.WriteFrame(frame, position, payload.Length, crc);
            payload.CopyTo(frame[LogFormat.FrameBytes..]);
            AdvanceLocked(segment, bytes);
            waiting = _end - Volatile.Read(ref _written);
            arm = _timer is not null && !_isTimerArmed;
            _isTimerArmed |= arm;
            prepare = NeedsSpareLocked();
            _isPreparing |= prepare;
        }

        AfterAppend(waiting, arm, prepare);
        return position + LogFormat.FrameBytes;
    }

    /// <summary>Reads raw bytes, which may be payloads or frames, of one segment.</summary>
    /// <returns>False when they have been trimmed.</returns>
    public bool TryReadAt(long position, Span<byte> into)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(position + into.Length, EndPosition, nameof(position));
        EnsureWritten(position + into.Length);
        if (FindSegment(position) is not { } segment || !segment.TryAcquire())
        {
            ThrowIfClosed();
            return false;
        }

        try
        {
            ReadAll(segment, position, into);
            return true;
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            throw FileFaults.Describe($"The file '{segment.FileName}' cannot be read", fault);
        }
        finally
        {
            segment.Release();
        }
    }

    /// <summary>Reads raw bytes of one segment that are known not to be trimmed.</summary>
    public void ReadAt(long position, Span<byte> into)
    {
        if (!TryReadAt(position, into))
        {
            throw new ArgumentOutOfRangeException(nameof(position), position, $"The log begins at {StartPosition}: what was before has been trimmed.");
        }
    }

    /// <summary>Reads frames in order, up to where the log ends now.</summary>
    /// <param name="fromPayloadPosition">The payload position of a frame; or any position up to the first frame of a segment, for that one.</param>
    public LogScan Scan(long fromPayloadPosition) => new(this, fromPayloadPosition, EndPosition);

    /// <summary>
    /// Deletes the segments that lie entirely before a position; the last one always stays. What makes them superfluous must be durable before: a power cut may keep the deletion and lose
    /// what was appended, but not flushed, before it.
    /// </summary>
    public void TrimBefore(long position)
    {
        // What lies before is written first: a file that the writer still has to put in place cannot be deleted.
        EnsureWritten(Math.Min(position, EndPosition));
        LogSegment[] gone;
        lock (_gate)
        {
            ThrowIfClosedLocked();
            var count = 0;
            while (count < _segments.Length - 1 && _segments[count].EndPosition <= position && _segments[count + 1].IsInPlace)
            {
                count++;
            }

            gone = _segments[..count];
            Volatile.Write(ref _segments, _segments[count..]);
        }

        try
        {
            foreach (var segment in gone)
            {
                _files.Delete(segment.Path);
            }
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            throw FileFaults.Describe("Segments that are no longer needed could not be deleted; they are when the log is opened again and trimmed", fault);
        }
        finally
        {
            foreach (var segment in gone)
            {
                segment.Release();
            }
        }
    }

    /// <summary>Writes and flushes what was appended, and closes the files.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            if (_isClosed)
            {
                return;
            }

            _isClosed = true;
        }

        try
        {
            if (_failure is null)
            {
                await WaitForSyncAsync().ConfigureAwait(false);
            }
        }
        catch (BackendUnavailableException fault)
        {
            LogCloseFailed(fault);
        }

        if (_timer is not null)
        {
            await _timer.DisposeAsync().ConfigureAwait(false);
        }

        CloseFiles();
        if (_ownsThreads)
        {
            _threads.Dispose();
        }
    }

    /// <summary>Closes the files as the death of the process would: what is not written is lost. For tests.</summary>
    internal void Abandon()
    {
        lock (_ioGate)
        {
            lock (_gate)
            {
                _isClosed = true;
                _failure ??= new BackendUnavailableException("The process has died.", mayHaveBeenApplied: true);
            }
        }

        FailWaiters(_failure);
        _timer?.Dispose();
        CloseFiles();
        if (_ownsThreads)
        {
            _threads.Dispose();
        }
    }

    internal void Release(in LogReservation reservation)
    {
        lock (_gate)
        {
            _reservations.Remove(in reservation);
        }
    }

    /// <summary>The segment that a position is in; null when it is before the first.</summary>
    internal LogSegment? FindSegment(long position)
    {
        var segments = Volatile.Read(ref _segments);
        var (low, high) = (0, segments.Length - 1);
        while (low <= high)
        {
            var middle = (low + high) >>> 1;
            if (segments[middle].StartPosition <= position)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }

        return high < 0 ? null : segments[high];
    }

    private static void ReadAll(LogSegment segment, long position, Span<byte> into)
    {
        var offset = position - segment.StartPosition;
        while (into.Length > 0)
        {
            var read = segment.File.Read(into, offset);
            if (read <= 0)
            {
                throw new StorageCorruptException($"The file '{segment.FileName}' ends at byte {offset}, before what was written to it.");
            }

            offset += read;
            into = into[read..];
        }
    }

    /// <summary>The segment of the next frame, begun if the active one is full.</summary>
    private LogSegment SegmentForLocked(int bytes)
    {
        Debug.Assert(_gate.IsHeldByCurrentThread, "The gate is held.");
        return _active is { } active && RemainingLocked >= bytes ? active : RotateLocked(bytes);
    }

    private long RemainingLocked => _active is null ? 0 : _activeCapacity - (_end - _active.StartPosition);

    private void AdvanceLocked(LogSegment segment, int bytes)
    {
        segment.EndPosition = _end + bytes;
        Volatile.Write(ref _end, _end + bytes);
    }

    private void ThrowIfUnusableLocked()
    {
        ThrowIfClosedLocked();
        if (_failure is { } failure)
        {
            throw Repeat(failure);
        }
    }

    private void ThrowIfClosedLocked() => ObjectDisposedException.ThrowIf(_isClosed, this);

    private void ThrowIfClosed()
    {
        lock (_gate)
        {
            ThrowIfClosedLocked();
        }
    }
}
