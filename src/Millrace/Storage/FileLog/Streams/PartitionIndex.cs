using System.Runtime.InteropServices;

namespace Millrace.Storage.FileLog.Streams;

/// <summary>The indexes of a partition's segments, oldest first. Not safe for concurrent use.</summary>
internal sealed class PartitionIndex
{
    private readonly List<SegmentIndex> _segments = [];

    /// <summary>The segments that hold records, oldest first.</summary>
    public ReadOnlySpan<SegmentIndex> Segments => CollectionsMarshal.AsSpan(_segments);

    /// <summary>The segment that grows; null in an empty partition.</summary>
    public SegmentIndex? Last => _segments.Count == 0 ? null : _segments[^1];

    /// <summary>The bytes of all records.</summary>
    public long RecordBytes { get; private set; }

    /// <summary>Adds a segment behind the others.</summary>
    public void Add(SegmentIndex segment)
    {
        _segments.Add(segment);
        RecordBytes += segment.RecordBytes;
    }

    /// <summary>Notes a frame at the end of the last segment.</summary>
    public void AddFrame(long framePosition, long frameEnd, long baseOffset, int count, long latest, long recordBytes, bool hasProducer)
    {
        _segments[^1].Add(framePosition, frameEnd, baseOffset, count, latest, recordBytes, hasProducer);
        RecordBytes += recordBytes;
    }

    /// <summary>The segment of an offset; the last one that begins at or before it.</summary>
    public SegmentIndex? Find(long offset)
    {
        var (low, high) = (0, _segments.Count - 1);
        while (low <= high)
        {
            var middle = (low + high) >>> 1;
            if (_segments[middle].FirstOffset <= offset)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }

        return high < 0 ? null : _segments[high];
    }

    /// <summary>The segment behind another; null behind the last.</summary>
    public SegmentIndex? After(SegmentIndex segment)
    {
        var next = _segments.IndexOf(segment) + 1;
        return next < _segments.Count ? _segments[next] : null;
    }

    /// <summary>Takes the first segment away, which is not the last.</summary>
    public void RemoveFirst()
    {
        RecordBytes -= _segments[0].RecordBytes;
        _segments.RemoveAt(0);
    }
}
