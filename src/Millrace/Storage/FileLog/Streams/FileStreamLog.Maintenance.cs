using Millrace.Diagnostics;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog.Streams;

/// <content>What no longer needs to be kept, and the files beside the log.</content>
internal sealed partial class FileStreamLog
{
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

    /// <summary>Forgets segments that no bound keeps. The last one stays: it holds the place where offsets go on.</summary>
    private bool RetainLocked()
    {
        if (_index.Segments.Length < 2)
        {
            return false;
        }

        var isChanged = false;
        var oldest = _retention.MaxAge is { } age ? _time.GetUtcNow().UtcTicks - age.Ticks : long.MinValue;
        while (_index.Segments.Length > 1 && IsOverLocked(_index.Segments[0], oldest))
        {
            _earliest = Math.Max(_earliest, _index.Segments[0].EndOffset);
            _index.RemoveFirst();
            isChanged = true;
        }

        return isChanged;
    }

    /// <summary>Whether a segment can go: all of it was trimmed, or nothing in it is kept by some bound. Of what is not visible yet nothing goes.</summary>
    private bool IsOverLocked(SegmentIndex segment, long oldest) =>
        segment.EndOffset <= _visibleEnd
        && (segment.EndOffset <= _earliest
            || segment.LatestTime < oldest
            || (_retention.MaxRecords is { } records && _nextOffset - segment.EndOffset >= records)
            || (_retention.MaxBytes is { } bytes && _index.RecordBytes - segment.RecordBytes >= bytes));

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
            if (_isOver)
            {
                return;
            }

            try
            {
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
