namespace Millrace.Sqlite.Queues;

/// <summary>
/// The ids that this store assigns: UUIDs of version 7 whose random part holds the message's number, so that finding a message by id needs no index.
/// Layout after the 48-bit time: 12 bits and 36 bits of number, 26 bits of the store's salt, which keeps ids of two stores apart.
/// </summary>
internal static class StoredId
{
    public const int SaltBits = 26;

    private const int LowNumberBits = 36;

    /// <summary>The id of a message.</summary>
    /// <param name="enqueuedAt">Wall ticks.</param>
    /// <param name="number">Below 2^48.</param>
    /// <param name="salt">The store's.</param>
    public static Guid Create(long enqueuedAt, long number, int salt)
    {
        var milliseconds = (ulong)(enqueuedAt / TimeSpan.TicksPerMillisecond);
        var high = (milliseconds << 16) | 0x7000UL | ((ulong)number >> LowNumberBits);
        var low = (0b10UL << 62) | (((ulong)number & ((1UL << LowNumberBits) - 1)) << SaltBits) | (uint)salt;
        Span<byte> bytes = stackalloc byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(bytes, high);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], low);
        return new Guid(bytes, bigEndian: true);
    }

    /// <summary>The number in an id, if this store may have assigned it; the caller compares the whole id with that of the message found.</summary>
    public static bool TryGetNumber(Guid id, int salt, out long number)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        var high = System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(bytes);
        var low = System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
        number = (long)(((high & 0xfff) << LowNumberBits) | ((low >> SaltBits) & ((1UL << LowNumberBits) - 1)));
        return (high & 0xf000) == 0x7000 && (low & ((1UL << SaltBits) - 1)) == (uint)salt;
    }
}
