using Millrace.Diagnostics;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog.Streams;

/// <content>What no longer needs to be kept, and the files beside the log.</content>
internal sealed partial class FileStreamLog
{
    /// <summary>Where a bound says how much is kept, a segment has so much of it, or this least.</summary>
    internal const int PartsOfBound = 10;
    internal const long MinPartBytes = 64 * 1024;
    private static readonly TimeSpan MinPartOfAge = TimeSpan.FromSeconds(1);

    private readonly Lock _maintenance = new();
    private readonly PartitionFiles _small;
    private readonly Action _runMaintenance;
    private long _savedIndexes;
    private int _isMaintenanceRequested;
    private bool _isOver;

    /// <summary>Changes how long records are kept.</summary>
    public void SetRetention(StreamRetention retention)
    {
        lock (_gate)
        {
            _retention = retention;
        }

        Retain();
    }

    /// <summary>Removes whole segments that need not be kept any longer.</summary>
    public void Retain()
    {
        bool isChanged;
        lock (_gate)
        {
            isChanged = _end is null && RetainLocked();
        }

        if (isChanged)
        {
            RequestMaintenance();
        }
    }

    /// <summary>Removes the records before an offset, durably.</summary>
    public void Trim(long beforeOffset)
    {
        lock (_maintenance)
        {
            lock (_gate)
            {
                ThrowIfEndedLocked();
                ArgumentOutOfRangeException.ThrowIfGreaterThan(beforeOffset, _visibleEnd);
                if (beforeOffset <= _earliest)
                {
                    return;
                }
            }

            try
            {
                _log.RequirePlace();
                _small.SaveStart(beforeOffset);
            }
            catch (Exception fault) when (FileFaults.IsFileFault(fault))
            {
                throw FileFaults.Describe($"Partition {_partition} of stream '{_stream}' could not be trimmed", fault);
            }

            lock (_gate)
            {
                _earliest = Math.Max(_earliest, beforeOffset);
                RetainLocked();
            }
        }

        RequestMaintenance();
    }

    /// <summary>
    /// Forgets what no bound keeps: records by count, and segments by age and bytes. The last segment stays, because it holds the place where offsets go on; but nothing of it is kept whose time has come.
    /// </summary>
    /// <returns>Whether there are segments to be deleted.</returns>
    private bool RetainLocked()
    {
        if (_index.Last is not { } last)
        {
            return false;
        }

        BoundCountLocked();
        var isChanged = false;
        var oldest = _retention.MaxAge is { } age ? _time.GetUtcNow().UtcTicks - age.Ticks : long.MinValue;
        while (_index.Segments.Length > 1 && IsOverLocked(_index.Segments[0], oldest))
        {
            _earliest = Math.Max(_earliest, _index.Segments[0].EndOffset);
            _index.RemoveFirst();
            isChanged = true;
        }

        if (last.LatestTime < oldest && last.EndOffset <= _visibleEnd && _index.Segments.Length == 1)
        {
            _earliest = Math.Max(_earliest, last.EndOffset);
        }

        return isChanged;
    }

    private void BoundCountLocked()
    {
        if (_retention.MaxRecords is { } most)
        {
            _earliest = Math.Max(_earliest, _visibleEnd - most);
        }
    }

    /// <summary>What has got too old meanwhile is not told of as if it were kept: between appends only time goes on.</summary>
    private void RetainByAgeLocked()
    {
        if (_retention.MaxAge is not null && RetainLocked())
        {
            RequestMaintenance();
        }
    }

    /// <summary>Whether a segment can go: all of it was trimmed, or nothing in it is kept by some bound. Of what is not visible yet nothing goes.</summary>
    private bool IsOverLocked(SegmentIndex segment, long oldest) =>
        segment.EndOffset <= _visibleEnd
        && (segment.EndOffset <= _earliest
            || segment.LatestTime < oldest
            || (_retention.MaxBytes is { } bytes && _index.RecordBytes - segment.RecordBytes >= bytes));

    /// <summary>Ends the segment that grows when it has its part of what is kept, so that no more than such a part is kept too long.</summary>
    /// <param name="latest">The latest time of the records that come next.</param>
    private void RollWhereBound(long latest)
    {
        if (Retention == StreamRetention.Forever)
        {
            return;
        }

        lock (_gate)
        {
            if (_index.Last is { } last && HasItsPartLocked(last, latest))
            {
                _log.Roll();
            }
        }
    }

    private bool HasItsPartLocked(SegmentIndex last, long latest) =>
        (_retention.MaxAge is { } age && latest - last.FirstTime >= Math.Max(MinPartOfAge.Ticks, age.Ticks / PartsOfBound))
        || (last.RecordBytes >= MinPartBytes
            && ((_retention.MaxRecords is { } records && last.EndOffset - last.FirstOffset >= records / PartsOfBound)
                || (_retention.MaxBytes is { } bytes && last.RecordBytes >= bytes / PartsOfBound)));

    private void RequestMaintenance()
    {
        if (Interlocked.Exchange(ref _isMaintenanceRequested, 1) == 0)
        {
            _threads.Enqueue(_runMaintenance);
        }
    }

    /// <summary>Saves the indexes of segments that are full, and deletes those that are not needed. What fails is done when the partition is opened again, or the next time.</summary>
    private void RunMaintenance()
    {
        lock (_maintenance)
        {
            Volatile.Write(ref _isMaintenanceRequested, 0);
            if (_isOver || _log.HasFailed)
            {
                return;
            }

            try
            {
                _log.RequirePlace();
                var deletesBefore = SaveIndexes();
                if (deletesBefore > _log.StartPosition)
                {
                    SaveProducers();
                    DeleteSegments(deletesBefore);
                }
            }
            catch (Exception fault) when (FileFaults.IsFileFault(fault) || fault is BackendUnavailableException or ObjectDisposedException)
            {
                _logger.MaintenanceFailed(fault, _stream, _partition);
            }
        }
    }

    /// <returns>The position before which no segment is needed.</returns>
    private long SaveIndexes()
    {
        SegmentIndex[] full;
        long start;
        lock (_gate)
        {
            full = _index.Segments.Length < 2 ? [] : _index.Segments[..^1].ToArray();
            start = _index.Segments.Length == 0 ? 0 : _index.Segments[0].StartPosition;
        }

        foreach (var index in full)
        {
            if (index.EndPosition > _savedIndexes)
            {
                index.Save(_files, _folder);
                _savedIndexes = index.EndPosition;
            }
        }

        return start;
    }

    /// <summary>Saves the sequences of producers before segments go from which they could be read again.</summary>
    private void SaveProducers()
    {
        ProducerAppend[] producers;
        long position;
        lock (_gate)
        {
            position = _log.EndPosition;
            producers = [.. _producers.List().Select(append => new ProducerAppend(append.ProducerId, append.FirstSequence, append.Count, append.FirstOffset))];
        }

        if (producers.Length > 0)
        {
            _small.SaveProducers(producers, position);
        }
    }

    private void DeleteSegments(long before)
    {
        var gone = _log.Segments.TakeWhile(segment => segment.EndPosition <= before).Select(segment => segment.StartPosition).ToArray();
        _log.TrimBefore(before);
        foreach (var start in gone)
        {
            _files.Delete(SegmentIndex.PathOf(_folder, start));
        }
    }
}
