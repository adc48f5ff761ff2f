using System.Text;

namespace Millrace.Redis.Client;

/// <summary>
/// Which of the 16,384 slots of a Redis Cluster a key belongs to: CRC-16 (XMODEM) of the key, or of what stands in its first braces, as the Redis Cluster specification has it.
/// </summary>
internal static class HashSlot
{
    /// <summary>Slots of a Cluster.</summary>
    public const int Count = 16384;

    private const int Polynomial = 0x1021;

    private static readonly ushort[] Table = CreateTable();

    public static int Of(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        var open = key.IndexOf('{', StringComparison.Ordinal);
        if (open >= 0)
        {
            var close = key.IndexOf('}', open + 1);
            if (close > open + 1)
            {
                return Of(key.AsSpan(open + 1, close - open - 1));
            }
        }

        return Of(key.AsSpan());
    }

    /// <summary>The same for a key that is no text.</summary>
    public static int Of(ReadOnlySpan<byte> key)
    {
        var open = key.IndexOf((byte)'{');
        var close = open < 0 ? -1 : key[(open + 1)..].IndexOf((byte)'}');
        return OfTag(close > 0 ? key.Slice(open + 1, close) : key);
    }

    private static int Of(ReadOnlySpan<char> tag)
    {
        Span<byte> bytes = stackalloc byte[1024];
        var size = Encoding.UTF8.GetMaxByteCount(tag.Length);
        bytes = size <= bytes.Length ? bytes : new byte[size];
        return OfTag(bytes[..Encoding.UTF8.GetBytes(tag, bytes)]);
    }

    private static int OfTag(ReadOnlySpan<byte> tag)
    {
        var crc = 0;
        foreach (var value in tag)
        {
            crc = ((crc << 8) & 0xFFFF) ^ Table[(crc >> 8) ^ value];
        }

        return crc % Count;
    }

    private static ushort[] CreateTable()
    {
        var table = new ushort[256];
        for (var i = 0; i < table.Length; i++)
        {
            var crc = i << 8;
            for (var bit = 0; bit < 8; bit++)
            {
                crc = (crc & 0x8000) != 0 ? (crc << 1) ^ Polynomial : crc << 1;
            }

            table[i] = (ushort)crc;
        }

        return table;
    }
}
