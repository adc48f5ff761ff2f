using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Millrace.Storage;

/// <summary>The checksum of what backends store: CRC-32C (Castagnoli, RFC 3720), with the processor's instruction where it has one. Safe for concurrent use.</summary>
public static class Crc32C
{
    /// <summary>The checksum of some bytes, as it is usually given: begun with all ones, and inverted.</summary>
    public static uint Of(ReadOnlySpan<byte> bytes) => ~Continue(uint.MaxValue, bytes);

    /// <summary>The checksum of two numbers in their little-endian bytes.</summary>
    internal static uint Of(long first, uint second) => ~BitOperations.Crc32C(BitOperations.Crc32C(uint.MaxValue, (ulong)first), second);

    private static uint Continue(uint crc, ReadOnlySpan<byte> bytes)
    {
        ref var next = ref MemoryMarshal.GetReference(bytes);
        var left = bytes.Length;
        for (; left >= sizeof(ulong); left -= sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, LittleEndian(Unsafe.ReadUnaligned<ulong>(ref next)));
            next = ref Unsafe.Add(ref next, sizeof(ulong));
        }

        for (; left > 0; left--)
        {
            crc = BitOperations.Crc32C(crc, next);
            next = ref Unsafe.Add(ref next, 1);
        }

        return crc;
    }

    private static ulong LittleEndian(ulong value) => BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);
}
