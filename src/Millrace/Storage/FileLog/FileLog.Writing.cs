using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog;

/// <content>From the tail into the files.</content>
internal sealed partial class FileLog
{
    /// <summary>So much is written in the background, so that it need not be when somebody waits.</summary>
    private const long WriteBehindBytes = 1024 * 1024;

    /// <summary>So much may wait; whoever appends more writes.</summary>
    private const long MaxWaitingBytes = 16 * 1024 * 1024;

    /// <summary>Larger writes change the extents of a file seldom enough.</summary>
    private const int MaxZeroedAfterBytes = 16 * 1024;

    private static readonly byte[] Zeros = new byte[64 * 1024];

    private readonly Lock _ioGate = new();
    private readonly Action _runWrite;
    private readonly List<LogSegment> _unflushed = [];
    private LogSegment? _inPlace;
    private LogSegment? _sealed;
    private long _written;
    private bool _isFolderChanged;
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
}
