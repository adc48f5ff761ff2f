using System.Diagnostics;
using System.Globalization;
using Millrace.Diagnostics;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog;

/// <content>Space for what comes next: segments that are ready before they are needed, and the last space that settling falls back on.</content>
internal sealed partial class FileLog
{
    internal const string SpareExtension = ".spare";
    private const string EssentialName = "reserve";
    private const int GrowthOfSegments = 4;

    private readonly Lock _spareGate = new();
    private readonly Queue<Spare> _spares = new();
    private readonly Action _runPrepare;
    private Spare? _essential;

    // While the last space is in use, or could not be had, it is for essential appends alone.
    private bool _lacksEssential;
    private long _nextSegmentBytes;
    private long _spareNumber;
    private bool _isPreparing;

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
