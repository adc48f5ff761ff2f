using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Millrace.Storage.FileLog.Disk;

namespace Millrace.Storage.FileLog.Streams;

/// <summary>
/// What a segment of a stream holds: its offsets, times and bytes, in all and sparsely inside. Kept in a file beside a segment that is full; rebuilt from the segment where that is missing or
/// damaged. Not safe for concurrent use.
/// </summary>
internal sealed class SegmentIndex(long startPosition, long firstOffset)
{
    private const ushort Version = 1;
    private const int HeadBytes = 64;
    private const int BlockEntryBytes = 24;
    private const int BlockBytes = 32 * 1024;
    private const long MaxFileBytes = HeadBytes + (BlockEntryBytes * (FileLogOptions.MaxSegmentBytes / BlockBytes * 4)) + sizeof(uint);
    private const string Extension = ".index";

    private readonly List<Block> _blocks = [];

    private static ReadOnlySpan<byte> Magic => "MRIDX\0"u8;

    /// <summary>Where the segment begins in the log.</summary>
    public long StartPosition { get; } = startPosition;

    /// <summary>Where its last frame ends.</summary>
    public long EndPosition { get; private set; } = startPosition;

    /// <summary>The offset of its first record.</summary>
    public long FirstOffset { get; } = firstOffset;

    /// <summary>The offset after its last record.</summary>
    public long EndOffset { get; private set; } = firstOffset;

    /// <summary>The latest time of a record of the first frame, in ticks of UTC; only of a segment whose frames were added.</summary>
    public long FirstTime { get; private set; } = long.MaxValue;

    /// <summary>The latest time of a record, in ticks of UTC.</summary>
    public long LatestTime { get; private set; } = long.MinValue;

    /// <summary>The bytes of keys, headers and bodies.</summary>
    public long RecordBytes { get; private set; }

    /// <summary>Whether an idempotent producer has appended to it.</summary>
    public bool HasProducers { get; private set; }

    /// <summary>Frames in order, so far apart that looking from one to the next is nothing beside reading a page.</summary>
    public ReadOnlySpan<Block> Blocks => CollectionsMarshal.AsSpan(_blocks);

    /// <summary>Notes a frame that stands at the end of the segment.</summary>
    public void Add(long framePosition, long frameEnd, long baseOffset, int count, long latest, long recordBytes, bool hasProducer)
    {
        if (_blocks.Count == 0 || framePosition - _blocks[^1].Position >= BlockBytes)
        {
            _blocks.Add(new Block(baseOffset, framePosition, latest));
        }
        else if (latest > _blocks[^1].LatestTime)
        {
            _blocks[^1] = _blocks[^1] with { LatestTime = latest };
        }

        FirstTime = FirstTime == long.MaxValue ? latest : FirstTime;
        EndPosition = frameEnd;
        EndOffset = baseOffset + count;
        LatestTime = Math.Max(LatestTime, latest);
        RecordBytes += recordBytes;
        HasProducers |= hasProducer;
    }

    /// <summary>The last frame of which the index knows that it does not begin after an offset of the segment.</summary>
    public int FindBlock(long offset)
    {
        var (low, high) = (0, _blocks.Count - 1);
        while (low <= high)
        {
            var middle = (low + high) >>> 1;
            if (_blocks[middle].Offset <= offset)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }

        return Math.Max(high, 0);
    }

    public static string PathOf(string folder, long startPosition) => Path.ChangeExtension(Path.Combine(folder, LogFormat.NameOf(startPosition)), Extension);

    /// <summary>Writes the index beside its segment. It is not flushed: one that does not survive is rebuilt.</summary>
    public void Save(IFileSystem files, string folder)
    {
        var content = new byte[HeadBytes + (_blocks.Count * BlockEntryBytes) + sizeof(uint)];
        var span = content.AsSpan();
        Magic.CopyTo(span);
        BinaryPrimitives.WriteUInt16LittleEndian(span[6..], Version);
        BinaryPrimitives.WriteInt64LittleEndian(span[8..], StartPosition);
        BinaryPrimitives.WriteInt64LittleEndian(span[16..], EndPosition);
        BinaryPrimitives.WriteInt64LittleEndian(span[24..], FirstOffset);
        BinaryPrimitives.WriteInt64LittleEndian(span[32..], EndOffset);
        BinaryPrimitives.WriteInt64LittleEndian(span[40..], LatestTime);
        BinaryPrimitives.WriteInt64LittleEndian(span[48..], RecordBytes);
        BinaryPrimitives.WriteInt32LittleEndian(span[56..], _blocks.Count);
        BinaryPrimitives.WriteInt32LittleEndian(span[60..], HasProducers ? 1 : 0);
        var entry = span[HeadBytes..];
        foreach (var block in _blocks)
        {
            BinaryPrimitives.WriteInt64LittleEndian(entry, block.Offset);
            BinaryPrimitives.WriteInt64LittleEndian(entry[8..], block.Position);
            BinaryPrimitives.WriteInt64LittleEndian(entry[16..], block.LatestTime);
            entry = entry[BlockEntryBytes..];
        }

        BinaryPrimitives.WriteUInt32LittleEndian(entry, Crc32C.Of(span[..^sizeof(uint)]));
        DurableFile.Write(files, PathOf(folder, StartPosition), content, flush: false);
    }

    /// <summary>The saved index of a segment; null when there is none that fits it.</summary>
    public static SegmentIndex? TryLoad(IFileSystem files, string folder, LogSegment segment)
    {
        byte[]? content;
        try
        {
            content = DurableFile.Read(files, PathOf(folder, segment.StartPosition), MaxFileBytes);
        }
        catch (StorageCorruptException)
        {
            return null;
        }

        var span = content.AsSpan();
        if (span.Length < HeadBytes + sizeof(uint)
            || !span.StartsWith(Magic)
            || BinaryPrimitives.ReadUInt16LittleEndian(span[6..]) != Version
            || BinaryPrimitives.ReadUInt32LittleEndian(span[^sizeof(uint)..]) != Crc32C.Of(span[..^sizeof(uint)])
            || BinaryPrimitives.ReadInt64LittleEndian(span[8..]) != segment.StartPosition
            || BinaryPrimitives.ReadInt64LittleEndian(span[16..]) != segment.EndPosition)
        {
            return null;
        }

        var index = new SegmentIndex(segment.StartPosition, BinaryPrimitives.ReadInt64LittleEndian(span[24..]))
        {
            EndPosition = segment.EndPosition,
            EndOffset = BinaryPrimitives.ReadInt64LittleEndian(span[32..]),
            LatestTime = BinaryPrimitives.ReadInt64LittleEndian(span[40..]),
            RecordBytes = BinaryPrimitives.ReadInt64LittleEndian(span[48..]),
            HasProducers = BinaryPrimitives.ReadInt32LittleEndian(span[60..]) != 0,
        };
        var count = BinaryPrimitives.ReadInt32LittleEndian(span[56..]);
        if (count < 1 || span.Length != HeadBytes + (count * BlockEntryBytes) + sizeof(uint))
        {
            return null;
        }

        for (var entry = span[HeadBytes..^sizeof(uint)]; entry.Length > 0; entry = entry[BlockEntryBytes..])
        {
            index._blocks.Add(new Block(
                BinaryPrimitives.ReadInt64LittleEndian(entry),
                BinaryPrimitives.ReadInt64LittleEndian(entry[8..]),
                BinaryPrimitives.ReadInt64LittleEndian(entry[16..])));
        }

        return index;
    }

    /// <summary>A part of a segment, from a frame to that of the next block.</summary>
    /// <param name="Offset">The offset of the first record.</param>
    /// <param name="Position">Where the first frame stands.</param>
    /// <param name="LatestTime">The latest time of its records.</param>
    internal readonly record struct Block(long Offset, long Position, long LatestTime);
}
