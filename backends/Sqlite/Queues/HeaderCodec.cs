using System.Buffers.Binary;
using System.Text;

namespace Millrace.Sqlite.Queues;

/// <summary>Headers as bytes: for each name and each value, a 32-bit little-endian length and the UTF-8 text.</summary>
internal static class HeaderCodec
{
    public static byte[] Encode(MessageHeaders headers)
    {
        var size = 0;
        foreach (var header in headers.AsSpan())
        {
            size += 8 + Encoding.UTF8.GetByteCount(header.Key) + Encoding.UTF8.GetByteCount(header.Value);
        }

        var bytes = new byte[size];
        var rest = bytes.AsSpan();
        foreach (var header in headers.AsSpan())
        {
            rest = Write(header.Value, Write(header.Key, rest));
        }

        return bytes;
    }

    public static MessageHeaders Decode(ReadOnlySpan<byte> bytes)
    {
        var entries = new List<KeyValuePair<string, string>>();
        while (!bytes.IsEmpty)
        {
            var name = Read(ref bytes);
            entries.Add(new(name, Read(ref bytes)));
        }

        return MessageHeaders.Create(entries);
    }

    private static Span<byte> Write(string text, Span<byte> into)
    {
        var length = Encoding.UTF8.GetBytes(text, into[4..]);
        BinaryPrimitives.WriteInt32LittleEndian(into, length);
        return into[(4 + length)..];
    }

    private static string Read(ref ReadOnlySpan<byte> bytes)
    {
        var length = bytes.Length < 4 ? -1 : BinaryPrimitives.ReadInt32LittleEndian(bytes);
        if (length < 0 || length > bytes.Length - 4)
        {
            throw new StorageCorruptException("The headers of a stored message end in the middle of a text.");
        }

        var text = Encoding.UTF8.GetString(bytes.Slice(4, length));
        bytes = bytes[(4 + length)..];
        return text;
    }
}
