using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Millrace.Storage;

/// <summary>The checksum of what backends store: CRC-32C (Castagnoli, RFC 3720), with the processor's instruction where it has one. Safe for concurrent use.</summary>
public static class Crc32C
{
    /// <summary>What the last bit that went into a checksum does to it.</summary>
    internal const uint LastBit = 1u << 31;

    private const uint Polynomial = 0x82F63B78;

    // What so many zero bytes multiply a register with: for each of the four bytes of the number, and each value that it may have.
    private static readonly Lazy<uint[]> FactorsOfZeros = new(MakeFactorsOfZeros);

    /// <summary>The checksum of some bytes, as it is usually given: begun with all ones, and inverted.</summary>
    public static uint Of(ReadOnlySpan<byte> bytes) => ~Continue(uint.MaxValue, bytes);

    /// <summary>The checksum of two numbers in their little-endian bytes.</summary>
    internal static uint Of(long first, uint second) => ~BitOperations.Crc32C(BitOperations.Crc32C(uint.MaxValue, (ulong)first), second);

    /// <summary>
    /// The checksums of three stretches of bytes, in little more than the time of one: a step has to wait for the one before it, and meanwhile the processor takes those of the
    /// others.
    /// </summary>
    internal static (uint First, uint Second, uint Third) Of(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<byte> third)
    {
        var (a, b, c) = (uint.MaxValue, uint.MaxValue, uint.MaxValue);
        ref var nextOfA = ref MemoryMarshal.GetReference(first);
        ref var nextOfB = ref MemoryMarshal.GetReference(second);
        ref var nextOfC = ref MemoryMarshal.GetReference(third);
        var together = Math.Min(first.Length, Math.Min(second.Length, third.Length)) & -sizeof(ulong);
        for (nint at = 0; at < together; at += sizeof(ulong))
        {
            a = BitOperations.Crc32C(a, LittleEndian(Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref nextOfA, at))));
            b = BitOperations.Crc32C(b, LittleEndian(Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref nextOfB, at))));
            c = BitOperations.Crc32C(c, LittleEndian(Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref nextOfC, at))));
        }

        return (~Continue(a, first[together..]), ~Continue(b, second[together..]), ~Continue(c, third[together..]));
    }

    /// <summary>A register, which is a checksum that is not inverted, after more bytes.</summary>
    internal static uint Continue(uint crc, ReadOnlySpan<byte> bytes)
    {
        ref var next = ref MemoryMarshal.GetReference(bytes);
        var left = bytes.Length;
        for (; left >= sizeof(ulong); left -= sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, LittleEndian(Unsafe.ReadUnaligned<ulong>(ref next)));
            next = ref Unsafe.Add(ref next, sizeof(ulong));
        }

        // The last seven bytes at most, in three steps: a record of a message is short enough that seven would be felt.
        if ((left & sizeof(uint)) != 0)
        {
            crc = BitOperations.Crc32C(crc, LittleEndian(Unsafe.ReadUnaligned<uint>(ref next)));
            next = ref Unsafe.Add(ref next, sizeof(uint));
        }

        if ((left & sizeof(ushort)) != 0)
        {
            crc = BitOperations.Crc32C(crc, LittleEndian(Unsafe.ReadUnaligned<ushort>(ref next)));
            next = ref Unsafe.Add(ref next, sizeof(ushort));
        }

        return (left & 1) == 0 ? crc : BitOperations.Crc32C(crc, next);
    }

    /// <summary>A register after so many zero bytes.</summary>
    internal static uint AfterZeros(uint crc, long bytes)
    {
        var factors = FactorsOfZeros.Value;
        for (var digit = 0; bytes > 0; digit += 256, bytes >>= 8)
        {
            if ((bytes & 255) is not 0 and var value)
            {
                crc = Multiply(crc, factors[digit + (int)value]);
            }
        }

        return crc;
    }

    /// <summary>A register after a bit that is zero.</summary>
    internal static uint AfterZeroBit(uint crc) => (crc >> 1) ^ (Polynomial & (0 - (crc & 1)));

    private static uint[] MakeFactorsOfZeros()
    {
        var factors = new uint[4 * 256];
        var one = LastBit >> 8;
        for (var digit = 0; digit < factors.Length; digit += 256)
        {
            factors[digit] = LastBit;
            for (var value = 1; value < 256; value++)
            {
                factors[digit + value] = Multiply(factors[digit + value - 1], one);
            }

            one = Multiply(factors[digit + 255], one);
        }

        return factors;
    }

    /// <summary>The product of two registers as polynomials, modulo the one of the checksum; the highest bit is the lowest power.</summary>
    private static uint Multiply(uint a, uint b)
    {
        var product = 0u;
        for (; a != 0; a <<= 1)
        {
            product ^= b & (uint)((int)a >> 31);
            b = AfterZeroBit(b);
        }

        return product;
    }

    private static ulong LittleEndian(ulong value) => BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);

    private static uint LittleEndian(uint value) => BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);

    private static ushort LittleEndian(ushort value) => BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);
}
