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

    private static int Of(ReadOnlySpan<char> tag)
    {
        Span<byte> bytes = stackalloc byte[1024];
        var size = Encoding.UTF8.GetMaxByteCount(tag.Length);
        bytes = size <= bytes.Length ? bytes : new byte[size];
        var crc = 0;
        foreach (var value in bytes[..Encoding.UTF8.GetBytes(tag, bytes)])
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
