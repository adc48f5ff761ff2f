using System.Buffers.Binary;

namespace Millrace.Redis.Queues;

/// <summary>
/// The ids that queues assign: UUIDs of version 7 that hold the message's number, so that they are unique in their queue by construction, whichever process sends, and finding a
/// message by one needs no index. After the 48-bit time: 12 bits and 36 bits of the number, less the first one; 26 bits of the queue's salt, which keeps ids of two queues apart.
/// </summary>
internal static class AssignedId
{
    public const int SaltBits = 26;

    /// <summary>The number before that of a queue's first message: all numbers have sixteen digits.</summary>
    public const long FirstNumber = 1_000_000_000_000_000;

    private const int LowNumberBits = 36;

    /// <summary>The id of a message.</summary>
    /// <param name="enqueuedAt">Microseconds.</param>
    /// <param name="number">Its number.</param>
    /// <param name="salt">The queue's.</param>
    public static Guid Create(long enqueuedAt, long number, int salt)
    {
        var place = (ulong)(number - FirstNumber);
        var high = ((ulong)(enqueuedAt / 1000) << 16) | 0x7000UL | ((place >> LowNumberBits) & 0xfff);
        var low = (0b10UL << 62) | ((place & ((1UL << LowNumberBits) - 1)) << SaltBits) | (uint)salt;
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, high);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], low);
        return new Guid(bytes, bigEndian: true);
    }

    /// <summary>What is in an id if a queue may have assigned it: number, milliseconds, salt.</summary>
    public static bool TryRead(Guid id, out long number, out long milliseconds, out int salt)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        var high = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        var low = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
        number = FirstNumber + (long)(((high & 0xfff) << LowNumberBits) | ((low >> SaltBits) & ((1UL << LowNumberBits) - 1)));
        milliseconds = (long)(high >> 16);
        salt = (int)(low & ((1UL << SaltBits) - 1));
        return (high & 0xf000) == 0x7000 && low >> 62 == 0b10;
    }
}
