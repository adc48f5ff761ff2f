using System.Buffers.Binary;
using System.Text;

namespace Millrace.Redis;

/// <summary>
/// Writes the binary form of records and envelopes. A length is written in groups of seven bits, the lowest first, with the high bit set in all bytes but the last; a text is its
/// length in bytes of UTF-8 and the bytes; headers are their number, and a name and a value each.
/// </summary>
internal ref struct PackedWriter(Span<byte> into)
{
    private readonly Span<byte> _into = into;

    /// <summary>Bytes written so far.</summary>
    public int Length { get; private set; }

    public static int SizeOfLength(int length)
    {
        var size = 1;
        for (var left = (uint)length; left >= 0x80; left >>= 7)
        {
            size++;
        }

        return size;
    }

    public static int SizeOfText(string text)
    {
        var length = Encoding.UTF8.GetByteCount(text);
        return SizeOfLength(length) + length;
    }

    public static int SizeOfHeaders(MessageHeaders? headers)
    {
        if (headers is not { Count: > 0 })
        {
            return 1;
        }

        var size = SizeOfLength(headers.Count);
        foreach (var header in headers.AsSpan())
        {
            size += SizeOfText(header.Key) + SizeOfText(header.Value);
        }

        return size;
    }

    /// <summary>A 64-bit number, the lowest byte first.</summary>
    public void WriteInt64(long value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(_into[Length..], value);
        Length += sizeof(long);
    }

    public void WriteLength(int length)
    {
        var left = (uint)length;
        while (left >= 0x80)
        {
            _into[Length++] = (byte)(left | 0x80);
            left >>= 7;
        }

        _into[Length++] = (byte)left;
    }

    public void WriteBytes(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_into[Length..]);
        Length += bytes.Length;
    }

    public void WriteText(string text)
    {
        WriteLength(Encoding.UTF8.GetByteCount(text));
        Length += Encoding.UTF8.GetBytes(text, _into[Length..]);
    }

    public void WriteHeaders(MessageHeaders? headers)
    {
        WriteLength(headers?.Count ?? 0);
        if (headers is { Count: > 0 })
        {
            foreach (var header in headers.AsSpan())
            {
                WriteText(header.Key);
                WriteText(header.Value);
            }
        }
    }
}
