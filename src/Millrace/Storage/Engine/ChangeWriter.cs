using System.Buffers.Binary;
using System.Text;

namespace Millrace.Storage.Engine;

/// <summary>
/// Gathers the changes of one operation to one queue (or to the documents or the locks of a store) into a frame for the journal. Used again for the next operation. Not safe for
/// concurrent use.
/// </summary>
/// <remarks>
/// A frame: the wall clock (UTC ticks, 8 bytes), then sections. A section: the serial of its queue, 0 for what belongs to none (4 bytes), the length of its changes (4 bytes), the changes.
/// Numbers are little-endian; those in changes are variable-length, seven bits a byte, low ones first. Texts are a length in bytes and UTF-8.
/// </remarks>
internal sealed class ChangeWriter(uint serial)
{
    /// <summary>Bytes before the first section.</summary>
    public const int FrameHeaderBytes = 8;

    /// <summary>Bytes before the changes of a section.</summary>
    public const int SectionHeaderBytes = 8;

    private const int MaxKeptBytes = 64 * 1024;
    private const int MaxVariableBytes = 10;

    private byte[] _buffer = new byte[256];
    private int _end = FrameHeaderBytes + SectionHeaderBytes;

    public bool IsEmpty => _end == FrameHeaderBytes + SectionHeaderBytes;

    /// <summary>Where the next byte goes, from the start of the frame.</summary>
    public int Position => _end;

    /// <summary>The whole frame with its one section.</summary>
    public ReadOnlySpan<byte> Frame(DateTimeOffset now)
    {
        BinaryPrimitives.WriteInt64LittleEndian(_buffer, now.UtcTicks);
        _ = Section();
        return _buffer.AsSpan(0, _end);
    }

    /// <summary>The section alone, to stand in a frame with others.</summary>
    public ReadOnlySpan<byte> Section()
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.AsSpan(FrameHeaderBytes), serial);
        BinaryPrimitives.WriteInt32LittleEndian(_buffer.AsSpan(FrameHeaderBytes + 4), _end - FrameHeaderBytes - SectionHeaderBytes);
        return _buffer.AsSpan(FrameHeaderBytes, _end - FrameHeaderBytes);
    }

    /// <summary>Begins again.</summary>
    public void Clear()
    {
        _end = FrameHeaderBytes + SectionHeaderBytes;
        if (_buffer.Length > MaxKeptBytes)
        {
            _buffer = new byte[256];
        }
    }

    public ChangeWriter Kind(ChangeKind kind)
    {
        Room(1)[0] = (byte)kind;
        _end++;
        return this;
    }

    public ChangeWriter Number(long value)
    {
        var room = Room(MaxVariableBytes);
        var rest = (ulong)value;
        var count = 0;
        while (rest >= 0x80)
        {
            room[count++] = (byte)(rest | 0x80);
            rest >>= 7;
        }

        room[count++] = (byte)rest;
        _end += count;
        return this;
    }

    public ChangeWriter Ticks(long value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(Room(8), value);
        _end += 8;
        return this;
    }

    public ChangeWriter Byte(byte value)
    {
        Room(1)[0] = value;
        _end++;
        return this;
    }

    /// <summary>Bytes with their length.</summary>
    public ChangeWriter Bytes(ReadOnlySpan<byte> value)
    {
        Number(value.Length);
        value.CopyTo(Room(value.Length));
        _end += value.Length;
        return this;
    }

    /// <summary>A text; null is written as the empty one.</summary>
    public ChangeWriter Text(string? value)
    {
        var bytes = value is null ? 0 : Encoding.UTF8.GetByteCount(value);
        Number(bytes);
        if (bytes > 0)
        {
            Encoding.UTF8.GetBytes(value, Room(bytes));
            _end += bytes;
        }

        return this;
    }

    public ChangeWriter Uuid(Guid value)
    {
        value.TryWriteBytes(Room(16), bigEndian: true, out _);
        _end += 16;
        return this;
    }

    public ChangeWriter Hash(UInt128 value)
    {
        BinaryPrimitives.WriteUInt128LittleEndian(Room(16), value);
        _end += 16;
        return this;
    }

    /// <summary>Bytes as they are.</summary>
    public ChangeWriter Raw(ReadOnlySpan<byte> value)
    {
        value.CopyTo(Room(value.Length));
        _end += value.Length;
        return this;
    }

    public ChangeWriter Fixed(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(Room(4), value);
        _end += 4;
        return this;
    }

    /// <summary>What was written from <paramref name="start"/> on.</summary>
    public ReadOnlySpan<byte> Since(int start) => _buffer.AsSpan(start, _end - start);

    private Span<byte> Room(int bytes)
    {
        if (_buffer.Length - _end < bytes)
        {
            Array.Resize(ref _buffer, Math.Max(_buffer.Length * 2, _end + bytes));
        }

        return _buffer.AsSpan(_end);
    }
}
