using System.Buffers.Binary;
using System.Text;

namespace Millrace.Redis;

/// <summary>Reads what a <see cref="PackedWriter"/> has written. What is handed out are slices of what is read.</summary>
/// <param name="bytes">What is read.</param>
/// <param name="what">What it is, for the error: the record at offset 7, say.</param>
internal ref struct PackedReader(ReadOnlyMemory<byte> bytes, Func<string> what)
{
    private const int MaxLengthBytes = 5;

    private readonly ReadOnlySpan<byte> _span = bytes.Span;

    /// <summary>Bytes read so far.</summary>
    public int Position { get; private set; }

    /// <summary>Everything that has not been read.</summary>
    public readonly ReadOnlyMemory<byte> Rest => bytes[Position..];

    /// <summary>A 64-bit number, the lowest byte first.</summary>
    public long ReadInt64()
    {
        Require(sizeof(long));
        var value = BinaryPrimitives.ReadInt64LittleEndian(_span[Position..]);
        Position += sizeof(long);
        return value;
    }

    public int ReadLength()
    {
        var length = 0L;
        for (var i = 0; i < MaxLengthBytes && Position < _span.Length; i++)
        {
            var one = _span[Position++];
            length |= (long)(one & 0x7f) << (7 * i);
            if (one < 0x80)
            {
                return length <= int.MaxValue ? (int)length : throw Torn();
            }
        }

        throw Torn();
    }

    public ReadOnlyMemory<byte> ReadBytes(int length)
    {
        Require(length);
        var start = Position;
        Position += length;
        return bytes.Slice(start, length);
    }

    public string ReadText() => Encoding.UTF8.GetString(ReadBytes(ReadLength()).Span);

    public MessageHeaders? ReadHeaders()
    {
        var count = ReadLength();
        if (count == 0)
        {
            return null;
        }

        Require(count);
        var headers = new KeyValuePair<string, string>[count];
        for (var i = 0; i < count; i++)
        {
            var name = ReadText();
            headers[i] = new(name, ReadText());
        }

        return MessageHeaders.Create(headers);
    }

    /// <summary>Passes headers over.</summary>
    public void SkipHeaders()
    {
        for (var left = 2L * ReadLength(); left > 0; left--)
        {
            ReadBytes(ReadLength());
        }
    }

    private readonly void Require(int length)
    {
        if (length > _span.Length - Position)
        {
            throw Torn();
        }
    }

    private readonly StorageCorruptException Torn() => new($"{what()} in Redis ends in the middle, or has been written by something else.");
}
