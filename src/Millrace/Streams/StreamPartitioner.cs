using System.Buffers.Binary;

namespace Millrace.Streams;

/// <summary>
/// Which partition a key belongs to (law S3): 32-bit MurmurHash2 of its bytes with the seed 0x9747B28C, without the sign bit, modulo the number of partitions. The same
/// as Kafka's default, so that both agree. It never changes.
/// </summary>
public static class StreamPartitioner
{
    private const uint Seed = 0x9747B28C;
    private const uint Multiplier = 0x5BD1E995;
    private const int Shift = 24;

    /// <summary>The partition of a key.</summary>
    /// <param name="key">The key; texts as UTF-8.</param>
    /// <param name="partitions">How many the stream has; at least 1.</param>
    public static int PartitionOf(ReadOnlySpan<byte> key, int partitions)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(partitions, 1);
        return (int)(Hash(key) & int.MaxValue) % partitions;
    }

    internal static uint Hash(ReadOnlySpan<byte> key)
    {
        var hash = Seed ^ (uint)key.Length;
        while (key.Length >= sizeof(uint))
        {
            var word = BinaryPrimitives.ReadUInt32LittleEndian(key) * Multiplier;
            word = (word ^ (word >> Shift)) * Multiplier;
            hash = (hash * Multiplier) ^ word;
            key = key[sizeof(uint)..];
        }

        if (key.Length > 0)
        {
            for (var i = key.Length - 1; i >= 0; i--)
            {
                hash ^= (uint)key[i] << (8 * i);
            }

            hash *= Multiplier;
        }

        hash = (hash ^ (hash >> 13)) * Multiplier;
        return hash ^ (hash >> 15);
    }
}
