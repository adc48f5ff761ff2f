using System.Diagnostics;

namespace Millrace.Storage.FileLog.Streams;

/// <content>Pages, and offsets by time.</content>
internal sealed partial class FileStreamLog
{
    /// <summary>What is read at once for one page: what lies in the page cache comes at the speed of copying, and a page with its records stays within a core's cache.</summary>
    private const int MaxReadBytes = 512 * 1024;

    private const int MinReadBytes = 4 * 1024;

    /// <summary>Readers whose next page needs no search.</summary>
    private const int RememberedPages = 8;

    private readonly (long Offset, long Position)[] _nextPages = new (long, long)[RememberedPages];
    private int _nextPage;

    /// <summary>Reads a page.</summary>
    public StreamPage Read(long offset, int maxRecords, int maxBytes)
    {
        while (true)
        {
            StreamPageLimits limits;
            lock (_gate)
            {
                ThrowIfEndedLocked();
                RetainByAgeLocked();
                if (offset < _earliest)
                {
                    throw new OffsetOutOfRangeException(_stream, _partition, offset, _earliest);
                }

                if (offset >= _visibleEnd)
                {
                    return new StreamPage(default, offset, _visibleEnd);
                }

                limits = PlanLocked(offset, maxRecords, maxBytes);
            }

            var reader = new StreamPageReader(_log, in limits);
            if (ReadPage(ref reader) is { } page)
            {
                Remember(page.NextOffset, reader.NextPosition);
                return page;
            }

            if (reader.Damage is { } damage)
            {
                throw Damaged(reader.NextPosition, damage);
            }

            // The log has been trimmed meanwhile: its start says so.
        }
    }

    private StreamPage? ReadPage(ref StreamPageReader reader)
    {
        try
        {
            return reader.Read();
        }
        catch (ObjectDisposedException)
        {
            // It was deleted or retired meanwhile, and whoever reads is told so.
            ThrowIfEnded();
            throw;
        }
    }

    /// <summary>The first record at or after a time. Senders may set times, so they need not rise: the latest time of each block says whether it must be read.</summary>
    public long Find(DateTimeOffset timestamp)
    {
        var time = timestamp.UtcTicks;
        var from = 0L;
        while (true)
        {
            long until;
            lock (_gate)
            {
                ThrowIfEndedLocked();
                RetainByAgeLocked();
                from = Math.Max(from, _earliest);
                (from, until) = FindBlockLocked(time, from);
                if (from >= _visibleEnd)
                {
                    return _visibleEnd;
                }
            }

            try
            {
                if (FindIn(timestamp, ref from, until))
                {
                    return from;
                }
            }
            catch (OffsetOutOfRangeException trimmed)
            {
                from = trimmed.Earliest;
            }
        }
    }

    private bool FindIn(DateTimeOffset timestamp, ref long from, long until)
    {
        while (from < until)
        {
            using var page = Read(from, int.MaxValue, MaxReadBytes);
            foreach (ref readonly var record in page.Records.Span)
            {
                if (record.Timestamp >= timestamp)
                {
                    from = record.Offset;
                    return true;
                }
            }

            if (page.Records.IsEmpty)
            {
                from = until;
                return false;
            }

            from = page.NextOffset;
        }

        return false;
    }

    /// <summary>The offsets of the first block from an offset on that has a record at or after a time; the end when there is none.</summary>
    private (long From, long Until) FindBlockLocked(long time, long from)
    {
        var segments = _index.Segments;
        for (var s = 0; s < segments.Length; s++)
        {
            var segment = segments[s];
            if (segment.LatestTime < time || segment.EndOffset <= from)
            {
                continue;
            }

            var blocks = segment.Blocks;
            for (var b = segment.FindBlock(from); b < blocks.Length; b++)
            {
                var end = b + 1 < blocks.Length ? blocks[b + 1].Offset : segment.EndOffset;
                if (blocks[b].LatestTime >= time && end > from)
                {
                    return (Math.Max(from, blocks[b].Offset), end);
                }
            }
        }

        return (long.MaxValue, long.MaxValue);
    }

    private StreamPageLimits PlanLocked(long offset, int maxRecords, int maxBytes)
    {
        Debug.Assert(_gate.IsHeldByCurrentThread, "The gate is held.");
        var segment = _index.Find(offset) ?? _index.Segments[0];
        if (offset < segment.FirstOffset || offset >= segment.EndOffset)
        {
            var next = (offset < segment.FirstOffset ? segment : _index.After(segment))?.FirstOffset ?? _visibleEnd;
            throw new StorageCorruptException(
                $"Offset {offset} of stream '{_stream}', partition {_partition}, cannot be read: its segment is damaged. Reading can go on at offset {next}.")
            {
                ResumeOffset = next,
            };
        }

        var position = FindPositionLocked(segment, offset);
        var perRecord = Math.Max(1, (segment.EndPosition - segment.StartPosition) / (segment.EndOffset - segment.FirstOffset));
        var wanted = Math.Min(maxRecords * perRecord, maxBytes * 2L);
        var bytes = (int)Math.Min(Math.Clamp(wanted + MinReadBytes, MinReadBytes, MaxReadBytes), Math.Max(LogFormat.FrameBytes, _visiblePosition - position));
        return new StreamPageLimits(offset, position, _visibleEnd, _visiblePosition, maxRecords, maxBytes, bytes, (int)(bytes / perRecord) + 1);
    }

    private long FindPositionLocked(SegmentIndex segment, long offset)
    {
        foreach (var page in _nextPages)
        {
            if (page.Offset == offset && page.Position > 0)
            {
                return page.Position;
            }
        }

        return segment.Blocks[segment.FindBlock(offset)].Position;
    }

    private void Remember(long offset, long position)
    {
        lock (_gate)
        {
            _nextPages[_nextPage] = (offset, position);
            _nextPage = (_nextPage + 1) % RememberedPages;
        }
    }

    private StorageCorruptException Damaged(long position, string reason)
    {
        var segment = _log.FindSegment(position);
        NoteDamage(_place, new LogDamage(segment?.FileName ?? "", position - (segment?.StartPosition ?? 0), position, reason, IsTorn: false));
        var goesOn = -1L;
        lock (_gate)
        {
            foreach (var index in _index.Segments)
            {
                foreach (var block in index.Blocks)
                {
                    if (block.Position > position && goesOn < 0)
                    {
                        goesOn = block.Offset;
                    }
                }
            }

            goesOn = goesOn < 0 ? _visibleEnd : goesOn;
        }

        return new StorageCorruptException(
            $"Stream '{_stream}', partition {_partition}, is damaged in the file '{segment?.FileName}' at byte {position - (segment?.StartPosition ?? 0)}: {reason}. Reading can go on at offset {goesOn}.")
        {
            ResumeOffset = goesOn,
        };
    }
}
