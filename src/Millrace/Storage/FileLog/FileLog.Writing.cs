using System.Diagnostics;
using System.Globalization;
using Millrace.Diagnostics;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog;

/// <content>From the tail into the files, and space for what comes next.</content>
internal sealed partial class FileLog
{
    /// <summary>So much is written in the background, so that it need not be when somebody waits.</summary>
    private const long WriteBehindBytes = 1024 * 1024;

    /// <summary>So much may wait; whoever appends more writes.</summary>
    private const long MaxWaitingBytes = 16 * 1024 * 1024;

    /// <summary>Larger writes change the extents of a file seldom enough.</summary>
    private const int MaxZeroedAfterBytes = 16 * 1024;

    private const int GrowthOfSegments = 4;
    internal const string SpareExtension = ".spare";
    private const string EssentialName = "reserve";
    private static readonly byte[] Zeros = new byte[64 * 1024];

    private readonly Lock _ioGate = new();
    private readonly Lock _spareGate = new();
    private readonly Queue<Spare> _spares = new();
    private readonly Action _runWrite;
    private readonly Action _runPrepare;
    private readonly List<LogSegment> _unflushed = [];
    private Spare? _essential;

    // While the last space is in use, or could not be had, it is for essential appends alone.
    private bool _lacksEssential;
    private LogSegment? _inPlace;
    private LogSegment? _sealed;
    private long _nextSegmentBytes;
    private long _written;
    private long _spareNumber;
    private bool _isFolderChanged;
    private bool _isPreparing;
    private int _isWriting;

    /// <summary>Returns when everything that was appended before a position is with the operating system: it survives the end of this process.</summary>
    public void WriteThrough(long position)
    {
        if (Volatile.Read(ref _written) < position)
        {
            ThrowIfFailed();
            WriteUpTo(position);
        }
    }

    /// <summary>What the next frame needs is guaranteed when all that is reserved fits into the active segment; or, in whatever order it is appended, into the spare ones.</summary>
    private bool HasRoomLocked(long bytes)
    {
        var reserved = _reservations.Bytes + bytes;
        if (reserved <= RemainingLocked)
        {
            return true;
        }

        // All of it fits one of them; or each takes it until a frame does not fit, which is at most a largest frame short of its end.
        var largest = Math.Max(_reservations.Largest, bytes);
        var counted = 0L;
        foreach (var spare in _spares)
        {
            var room = spare.Bytes - LogFormat.HeaderBytes;
            if (room >= reserved)
            {
                return true;
            }

            counted += Math.Max(0, room - largest);
        }

        return counted >= reserved;
    }

    private void MakeRoom(long bytes, bool essential)
    {
        lock (_spareGate)
        {
            long size;
            lock (_gate)
            {
                ThrowIfUnusableLocked();
                if (HasRoomLocked(bytes) && (essential || !_lacksEssential))
                {
                    return;
                }

                size = SpareSizeLocked(bytes);
            }

            try
            {
                if (!essential && _lacksEssential)
                {
                    _essential = TakeEssential();
                    SetLacksEssential(false);
                    return;
                }

                AddSpare(CreateSpare(size));
            }
            catch (Exception fault) when (FileFaults.IsFileFault(fault))
            {
                if (!essential || !TryUseEssential(bytes))
                {
                    throw FileFaults.Describe("Nothing more can be appended", fault);
                }
            }
        }
    }

    private bool TryUseEssential(long bytes)
    {
        if (_essential is not { } last || last.Bytes - LogFormat.HeaderBytes < bytes)
        {
            return false;
        }

        try
        {
            var path = NewSparePath();
            _files.Rename(last.Path, path);
            _essential = null;
            SetLacksEssential(true);
            AddSpare(last with { Path = path });
            return true;
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            _log.NoSpareSegment(fault, Path.GetFileName(_folder));
            return false;
        }
    }

    private long SpareSizeLocked(long bytes)
    {
        // Either all that is reserved fits; or twice the largest, because up to one frame of a segment's space cannot be counted on.
        var needed = Math.Min(_reservations.Bytes + bytes, Math.Max(_reservations.Largest, bytes) * 2) + LogFormat.HeaderBytes;
        var size = Math.Max(_nextSegmentBytes, needed);
        _nextSegmentBytes = Math.Min(_options.SegmentBytes, _nextSegmentBytes * GrowthOfSegments);
        return size;
    }

    private void AddSpare(Spare spare)
    {
        lock (_gate)
        {
            _spares.Enqueue(spare);
        }
    }

    private Spare CreateSpare(long bytes)
    {
        RequireOwned();
        var path = NewSparePath();
        return new Spare(path, bytes, _files.Create(path, bytes));
    }

    private string NewSparePath() => Path.Combine(_folder, Interlocked.Increment(ref _spareNumber).ToString(CultureInfo.InvariantCulture) + SpareExtension);

    /// <summary>The space for essential appends: that of the run before, which a full disk would not give again, or new space.</summary>
    private Spare TakeEssential()
    {
        RequireOwned();
        var path = Path.Combine(_folder, EssentialName);
        if (_files.FileExists(path))
        {
            var file = _files.Open(path, readOnly: false);
            if (file.Length == _options.EssentialBytes && IsZero(file))
            {
                return new Spare(path, _options.EssentialBytes, file);
            }

            // A power cut has taken its name back from a segment, say.
            file.Dispose();
            _files.Delete(path);
        }

        return new Spare(path, _options.EssentialBytes, _files.Create(path, _options.EssentialBytes));
    }

    private static bool IsZero(IStorageFile file)
    {
        var buffer = new byte[Zeros.Length];
        var at = 0L;
        int read;
        while ((read = file.Read(buffer, at)) > 0)
        {
            if (buffer.AsSpan(0, read).ContainsAnyExcept((byte)0))
            {
                return false;
            }

            at += read;
        }

        return at == file.Length;
    }

    /// <summary>Takes the space that essential appends fall back on. A disk that is full already has none to give; it is tried again when a spare segment could be had.</summary>
    private void PrepareEssential()
    {
        if (_options.EssentialBytes == 0 || _essential is not null)
        {
            return;
        }

        try
        {
            _essential = TakeEssential();
            SetLacksEssential(false);
        }
        catch (IOException fault) when (FileFaults.IsDiskFull(fault))
        {
            SetLacksEssential(true);
            _log.NoEssentialSpace(Path.GetFileName(_folder), _options.EssentialBytes);
        }
    }

    private void SetLacksEssential(bool lacks)
    {
        lock (_gate)
        {
            _lacksEssential = lacks;
        }
    }

    private bool NeedsSpareLocked() => !_isPreparing && _spares.Count == 0 && RemainingLocked < _activeCapacity / 2 && _activeCapacity >= _options.SegmentBytes;

    /// <summary>Has the next segment ready before it is needed. Where it cannot be had, whoever needs it learns why.</summary>
    private void RunPrepare()
    {
        try
        {
            lock (_spareGate)
            {
                bool isNeeded;
                lock (_gate)
                {
                    isNeeded = _spares.Count == 0 && !_isClosed && _failure is null;
                }

                if (isNeeded)
                {
                    AddSpare(CreateSpare(_options.SegmentBytes));
                    PrepareEssential();
                }
            }
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            _log.NoSpareSegment(fault, Path.GetFileName(_folder));
        }
        finally
        {
            lock (_gate)
            {
                _isPreparing = false;
            }
        }
    }

    private LogSegment RotateLocked(int bytes)
    {
        var spare = TakeSpareLocked(bytes);
        var segment = new LogSegment(_files, spare.Path, _end, _end, spare.Bytes, spare.File);
        _active = segment;
        _activeCapacity = spare.Bytes;
        LogFormat.WriteHeader(_tail.Claim(segment, LogFormat.HeaderBytes), segment.StartPosition);
        AdvanceLocked(segment, LogFormat.HeaderBytes);
        Volatile.Write(ref _segments, [.. _segments, segment]);
        return segment;
    }

    /// <summary>The next spare segment that is large enough; smaller ones, from before larger frames came, wait for smaller frames.</summary>
    private Spare TakeSpareLocked(int bytes)
    {
        for (var i = _spares.Count; i > 0; i--)
        {
            var spare = _spares.Dequeue();
            if (spare.Bytes - LogFormat.HeaderBytes >= bytes)
            {
                return spare;
            }

            _spares.Enqueue(spare);
        }

        throw new UnreachableException("A frame was reserved for which there is no segment.");
    }

    private void AfterAppend(long waiting, bool arm, bool prepare)
    {
        if (arm)
        {
            _timer!.Change(_interval, Timeout.InfiniteTimeSpan);
        }

        if (prepare)
        {
            _threads.Enqueue(_runPrepare);
        }

        if (waiting > MaxWaitingBytes)
        {
            EnsureWritten(EndPosition);
        }
        else if (waiting > WriteBehindBytes && Interlocked.Exchange(ref _isWriting, 1) == 0)
        {
            _threads.Enqueue(_runWrite);
        }
    }

    private void RunWrite()
    {
        Volatile.Write(ref _isWriting, 0);
        try
        {
            EnsureWritten(EndPosition);
        }
        catch (BackendUnavailableException)
        {
            // The log has failed, and says so to everybody who uses it.
            return;
        }
    }

    private void EnsureWritten(long position)
    {
        if (Volatile.Read(ref _written) < position)
        {
            ThrowIfFailed();
            WriteUpTo(position);
        }
    }

    private void WriteUpTo(long position)
    {
        lock (_ioGate)
        {
            WriteUpToLocked(position);
        }
    }

    private void WriteUpToLocked(long position)
    {
        while (Volatile.Read(ref _written) < position)
        {
            LogTail.Piece piece;
            int end;
            lock (_gate)
            {
                if (_failure is { } failure)
                {
                    throw Repeat(failure);
                }

                piece = _tail.First!;
                end = piece.End;
            }

            try
            {
                Write(piece, end);
            }
            catch (Exception fault) when (FileFaults.IsFileFault(fault))
            {
                throw Fail($"Writing to the file '{piece.Segment.FileName}' failed", fault);
            }

            lock (_gate)
            {
                Volatile.Write(ref _written, piece.PositionOf(end));
                _tail.Written(piece, end);
            }
        }
    }

    private void Write(LogTail.Piece piece, int end)
    {
        var segment = piece.Segment;
        if (!segment.IsInPlace)
        {
            PutInPlace(segment);
        }

        DurableFile.WriteAll(segment.File, segment.Path, piece.Data.AsSpan(piece.Start, end - piece.Start), piece.OffsetOf(piece.Start));
        if (_options.Durability == StoreDurability.Process)
        {
            RequirePresent(segment);
        }

        if (_options.Durability == StoreDurability.Full)
        {
            ZeroAhead(segment, piece.OffsetOf(end), end - piece.Start);
        }

        if (!segment.IsDirty)
        {
            segment.IsDirty = true;
            _unflushed.Add(segment);
        }
    }

    /// <summary>Gives a segment its name in the log, and finishes the one before it.</summary>
    private void PutInPlace(LogSegment segment)
    {
        RequireOwned();

        // Recovery checks the last two segments: so those before must be whole whatever happens, also where nobody waits for flushes.
        if (_sealed is { IsDirty: true } older)
        {
            Flush(older);
        }

        if (_inPlace is { } last)
        {
            // The name that is given here might be that of a file of somebody else by now.
            RequirePresent(last);
            last.File.SetLength(last.EndPosition - last.StartPosition);
            last.Bytes = last.EndPosition - last.StartPosition;
            _sealed = last;
            RequestFlush();
        }

        var path = Path.Combine(_folder, LogFormat.NameOf(segment.StartPosition));
        _files.Rename(segment.Path, path);
        segment.Path = path;
        segment.Identity = _files.IdentityOf(path);
        segment.IsInPlace = true;
        _inPlace = segment;
        _isFolderChanged = true;
    }

    private void ZeroAhead(LogSegment segment, long end, int bytesWritten)
    {
        if (end <= segment.ZeroedTo)
        {
            return;
        }

        segment.ZeroedTo = end;
        var target = bytesWritten > MaxZeroedAfterBytes ? end : Math.Min(end + _options.ZeroAheadBytes, segment.Bytes);
        while (segment.ZeroedTo < target)
        {
            var bytes = (int)Math.Min(Zeros.Length, target - segment.ZeroedTo);
            DurableFile.WriteAll(segment.File, segment.Path, Zeros.AsSpan(0, bytes), segment.ZeroedTo);
            segment.ZeroedTo += bytes;
        }
    }

    private long FirstSizeOf(RecoveredLog recovered) => recovered.Segments.Count == 0
        ? Math.Min(_options.FirstSegmentBytes ?? _options.SegmentBytes, _options.SegmentBytes)
        : Math.Min(_options.SegmentBytes, Math.Max(recovered.Segments[^1].Bytes, _options.FirstSegmentBytes ?? _options.SegmentBytes) * (_options.FirstSegmentBytes is null ? 1 : GrowthOfSegments));

    private void CloseFiles()
    {
        lock (_spareGate)
        {
            lock (_ioGate)
            {
                foreach (var segment in _segments)
                {
                    segment.Release();
                }

                // The next run needs it, and may not get it again on a full disk.
                _essential?.File.Dispose();

                foreach (var spare in _spares)
                {
                    spare.File.Dispose();
                    if (!_isDisplaced)
                    {
                        TryDelete(spare.Path);
                    }
                }
            }
        }
    }

    private void TryDelete(string path)
    {
        try
        {
            _files.Delete(path);
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            // Spare segments are deleted when the log is opened.
            _log.SpareNotDeleted(fault, Path.GetFileName(path));
        }
    }

    private sealed record Spare(string Path, long Bytes, IStorageFile File);
}
