using Millrace.Diagnostics;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog.Streams;

/// <summary>Finds what a partition's log holds: from the saved indexes where they fit, and from the frames where they do not.</summary>
internal sealed class PartitionRecovery(StreamLogPlace place, FileLog log)
{
    private readonly IFileSystem _files = place.Files;
    private readonly string _folder = place.Folder;
    private readonly List<ProducerAppend> _saved = [];
    private readonly List<ProducerAppend> _scanned = [];

    public PartitionIndex Index { get; } = new();

    public ProducerSequences Producers { get; } = new();

    /// <summary>The first offset that may be read.</summary>
    public long Earliest { get; private set; }

    /// <summary>The offset of the next record.</summary>
    public long EndOffset { get; private set; }

    public void Run()
    {
        var small = new PartitionFiles(_files, _folder);
        var known = small.LoadProducers(_saved);
        var segments = log.Segments;
        for (var i = 0; i < segments.Count; i++)
        {
            // The last one grows, so it has no index that could be right.
            var index = i + 1 < segments.Count ? SegmentIndex.TryLoad(_files, _folder, segments[i]) : null;
            if (index is not null && EndOffset > index.FirstOffset)
            {
                index = null;
            }

            var isNew = index is null;
            if (index is null || (index.HasProducers && segments[i].EndPosition > known))
            {
                index = Scan(segments[i], known);
            }

            if (index is not null)
            {
                Add(index, isNew && i + 1 < segments.Count);
            }
        }

        var start = small.LoadStart();
        EndOffset = Math.Max(EndOffset, start ?? 0);
        NoteProducers(small, known);
        Earliest = Math.Max(start ?? 0, Index.Segments.Length == 0 ? EndOffset : Index.Segments[0].FirstOffset);
    }

    /// <summary>What was saved may know of appends that a crash has taken away again: their offsets lie beyond the end, and will be those of others.</summary>
    private void NoteProducers(PartitionFiles small, long known)
    {
        var lost = _saved.RemoveAll(append => append.FirstOffset + append.Count > EndOffset);
        foreach (var append in _saved.Concat(_scanned))
        {
            Producers.Note(append.ProducerId, append.FirstSequence, append.Count, append.FirstOffset);
        }

        if (lost > 0 || known > log.EndPosition)
        {
            small.SaveProducers(_saved, log.EndPosition);
        }
    }

    private void Add(SegmentIndex index, bool save)
    {
        if (EndOffset != index.FirstOffset && Index.Last is not null)
        {
            place.Logger.RecordsMissing(Path.GetFileName(_folder), EndOffset, index.FirstOffset);
            place.Damage.Note($"{_folder}/{EndOffset}", $"stream '{place.Stream}', partition {place.Partition}, lacks the records {EndOffset} to {index.FirstOffset} (not included)");
        }

        EndOffset = index.EndOffset;
        Index.Add(index);
        if (save)
        {
            Save(index);
        }
    }

    private void Save(SegmentIndex index)
    {
        try
        {
            index.Save(_files, _folder);
        }
        catch (Exception fault) when (FileFaults.IsFileFault(fault))
        {
            // It is built again at the next start. A full disk must not keep its records from being read.
            place.Logger.MaintenanceFailed(fault, place.Stream, place.Partition);
        }
    }

    /// <summary>Builds the index of a segment; null when there is no frame in it.</summary>
    private SegmentIndex? Scan(LogSegment segment, long producersKnown)
    {
        SegmentIndex? index = null;
        using var scan = log.Scan(segment.StartPosition);
        while (scan.MoveNext() && scan.Position < segment.EndPosition)
        {
            if (!StreamFrame.TryRead(scan.Payload, out var frame) || !TryMeasure(scan.Payload, in frame, out var latest, out var bytes) || frame.BaseOffset < EndOffset)
            {
                throw new StorageCorruptException(
                    $"The frame at byte {scan.Position - segment.StartPosition} of '{segment.FileName}' is whole, but holds no records of a stream that could stand there: the file is of another log. Nothing was changed.");
            }

            index ??= new SegmentIndex(segment.StartPosition, frame.BaseOffset);
            var position = scan.Position - LogFormat.FrameBytes;
            index.Add(position, scan.Position + scan.Payload.Length, frame.BaseOffset, frame.Count, latest, bytes, frame.ProducerId is not null);
            if (frame.ProducerId is { } producer && position >= producersKnown)
            {
                _scanned.Add(new ProducerAppend(producer, frame.FirstSequence, frame.Count, frame.BaseOffset));
            }
        }

        if (scan.Damage is { } damage)
        {
            place.Logger.SegmentDamaged(Path.GetFileName(_folder), damage.File, damage.Offset, damage.Reason);
            FileStreamLog.NoteDamage(place, damage);
        }

        return index;
    }

    private static bool TryMeasure(ReadOnlySpan<byte> payload, in StreamFrame frame, out long latest, out long bytes)
    {
        (latest, bytes) = (long.MinValue, 0);
        var at = frame.RecordsAt;
        for (var i = 0; i < frame.Count; i++)
        {
            if (!StreamFrame.TryReadRecord(payload, ref at, frame.BaseTime, out var parts))
            {
                return false;
            }

            latest = Math.Max(latest, parts.Time);
            bytes += parts.Bytes;
        }

        return at == payload.Length;
    }
}
