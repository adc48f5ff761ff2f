using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Millrace.Storage.Engine;

/// <summary>
/// The ids that one queue assigns: version 7 UUIDs that rise, are unique in their queue by construction, and tell in which slot the message stands, so that no
/// index of them is kept. Guarded by the gate of its queue.
/// </summary>
/// <remarks>
/// 48 bits: milliseconds of the wall clock, never going back; 12 + 8 bits: a number within the millisecond; 22 bits: drawn at random by the queue, so that ids of
/// other queues and processes differ; 32 bits: the slot. A million ids in one millisecond borrow the next one.
/// </remarks>
internal struct StoreIds()
{
    private const int NumberBits = 20;
    private const int SaltBits = 22;

    private readonly ulong _salt = (ulong)RandomNumberGenerator.GetInt32(1 << SaltBits);
    private long _milliseconds;
    private uint _number;

    public MessageId Next(int slot, long unixMilliseconds)
    {
        if (unixMilliseconds > _milliseconds)
        {
            _milliseconds = unixMilliseconds;
            _number = 0;
        }
        else if (++_number == 1 << NumberBits)
        {
            _milliseconds++;
            _number = 0;
        }

        const ulong Version = 0x7000;
        const ulong Variant = 0x8000_0000_0000_0000;
        var high = ((ulong)_milliseconds << 16) | Version | (_number >> 8);
        var low = Variant | ((ulong)(_number & 0xff) << (SaltBits + 32)) | (_salt << 32) | (uint)slot;
        return new MessageId(new Guid(
            (int)(high >> 32),
            (short)(high >> 16),
            (short)high,
            (byte)(low >> 56),
            (byte)(low >> 48),
            (byte)(low >> 40),
            (byte)(low >> 32),
            (byte)(low >> 24),
            (byte)(low >> 16),
            (byte)(low >> 8),
            (byte)low));
    }

    /// <summary>The id of what stands for a message that cannot be read: a version 8 UUID, the same whenever it is asked for.</summary>
    public static MessageId IdOfDamaged(int slot, long sequence)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteInt64BigEndian(bytes, sequence);
        bytes[6] = 0x80;
        bytes[7] = 0;
        bytes[8] = 0x80;
        BinaryPrimitives.WriteUInt16BigEndian(bytes[10..], (ushort)sequence);
        BinaryPrimitives.WriteInt32BigEndian(bytes[12..], slot);
        return new MessageId(new Guid(bytes, bigEndian: true));
    }

    /// <summary>The slot in which the message with this id would stand if a store assigned it.</summary>
    public static int SlotOf(Guid uuid)
    {
        Span<byte> bytes = stackalloc byte[16];
        _ = uuid.TryWriteBytes(bytes, bigEndian: true, out _);
        return BinaryPrimitives.ReadInt32BigEndian(bytes[12..]);
    }
}
