using System.Buffers.Binary;
using System.Text;

namespace Millrace.Storage.Engine;

/// <summary>Reads what a <see cref="ChangeWriter"/> wrote.</summary>
/// <exception cref="StorageCorruptException">The bytes end in the middle of a value.</exception>
internal ref struct ChangeReader(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    public int Position { get; private set; }

    public readonly bool IsAtEnd => Position == _bytes.Length;

    public byte Byte() => Take(1)[0];

    public long Number()
    {
        var value = 0UL;
        for (var shift = 0; ; shift += 7)
        {
            var next = Take(1)[0];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80)
            {
                return (long)value;
            }

            if (shift >= 63)
            {
                throw Corrupt();
            }
        }
    }

    /// <summary>A number that must fit 32 bits and is not negative: a slot, a count, a length.</summary>
    public int SmallNumber()
    {
        var value = Number();
        return value is >= 0 and <= int.MaxValue ? (int)value : throw Corrupt();
    }

    public long Ticks() => BinaryPrimitives.ReadInt64LittleEndian(Take(8));

    public uint Fixed() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public UInt128 Hash() => BinaryPrimitives.ReadUInt128LittleEndian(Take(16));

    public Guid Uuid() => new(Take(16), bigEndian: true);

    public ReadOnlySpan<byte> Bytes() => Take(SmallNumber());

    /// <summary>A text; the empty one is null.</summary>
    public string? Text()
    {
        var bytes = Bytes();
        return bytes.IsEmpty ? null : Encoding.UTF8.GetString(bytes);
    }

    public ReadOnlySpan<byte> Take(int count)
    {
        if (count > _bytes.Length - Position)
        {
            throw Corrupt();
        }

        Position += count;
        return _bytes.Slice(Position - count, count);
    }

    private readonly StorageCorruptException Corrupt() =>
        new($"A change in the journal ends in the middle of a value, at byte {Position} of {_bytes.Length}.");
}
