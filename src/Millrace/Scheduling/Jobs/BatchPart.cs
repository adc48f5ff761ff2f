using System.Numerics;

namespace Millrace.Scheduling.Jobs;

/// <summary>Which of up to 1,024 members of a batch have ended, and which of them have failed: two bits each. Its bytes are the document.</summary>
internal sealed class BatchPart
{
    /// <summary>How many members one document knows.</summary>
    public const int Size = 1024;

    private const int MapBytes = Size / 8;

    private readonly byte[] _bits;

    private BatchPart(byte[] bits) => _bits = bits;

    public ReadOnlyMemory<byte> Bytes => _bits;

    public int Ended => Count(_bits.AsSpan(0, MapBytes));

    public int Failed => Count(_bits.AsSpan(MapBytes));

    /// <summary>How many members the part has.</summary>
    public static int CountOf(int part, int members) => Math.Min(Size, members - (part * Size));

    public static BatchPart Read(ReadOnlyMemory<byte>? value) => value is not { } bytes
        ? new BatchPart(new byte[2 * MapBytes])
        : bytes.Length == 2 * MapBytes
            ? new BatchPart(bytes.ToArray())
            : throw new StorageCorruptException($"A part of a batch of jobs has {bytes.Length:N0} bytes instead of {2 * MapBytes}.");

    public bool HasEnded(int member) => (_bits[member / 8] & (1 << (member % 8))) != 0;

    /// <summary>Notes an end. The first one counts: false when there was one.</summary>
    public bool End(int member, bool failed)
    {
        if (HasEnded(member))
        {
            return false;
        }

        _bits[member / 8] |= (byte)(1 << (member % 8));
        if (failed)
        {
            _bits[MapBytes + (member / 8)] |= (byte)(1 << (member % 8));
        }

        return true;
    }

    private static int Count(ReadOnlySpan<byte> map)
    {
        var count = 0;
        foreach (var bits in map)
        {
            count += BitOperations.PopCount(bits);
        }

        return count;
    }
}
