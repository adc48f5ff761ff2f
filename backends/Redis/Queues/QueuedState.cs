using System.Buffers.Binary;
using System.Text;

namespace Millrace.Redis.Queues;

/// <summary>What has become of a message since it was enqueued: a value of its queue's hash <c>states</c>. One that has never come back has none.</summary>
internal readonly struct QueuedState
{
    private const int FixedBytes = 37;
    private const byte IsDelivered = 1;
    private const byte HasError = 2;
    private const byte IsDead = 4;
    private const byte IsImmortal = 8;

    private readonly byte _flags;

    private QueuedState(ReadOnlySpan<byte> stored)
    {
        if (stored.Length < FixedBytes)
        {
            throw new StorageCorruptException($"The state of a message is damaged in Redis: it has {stored.Length} bytes, at least {FixedBytes} were expected.");
        }

        Attempts = BinaryPrimitives.ReadInt32LittleEndian(stored);
        _flags = stored[4];
        Sequence = (long)BinaryPrimitives.ReadDoubleLittleEndian(stored[5..]);
        var length = BinaryPrimitives.ReadInt32LittleEndian(stored[33..]);
        LastError = (_flags & HasError) == 0 ? null : Encoding.UTF8.GetString(stored[(FixedBytes + length)..]);
        if ((_flags & IsDead) != 0)
        {
            var died = RedisTime.InstantOf((long)BinaryPrimitives.ReadDoubleLittleEndian(stored[21..]));
            DeadLetter = new DeadLetterInfo(Encoding.UTF8.GetString(stored.Slice(FixedBytes, length)), LastError, BinaryPrimitives.ReadInt32LittleEndian(stored[29..]), died);
        }
    }

    /// <summary>Attempts counted before a lease that it may have now.</summary>
    public int Attempts { get; }

    /// <summary>Its place in its queue.</summary>
    public long Sequence { get; }

    public bool WasDelivered => (_flags & IsDelivered) != 0;

    public bool NeverExpires => (_flags & IsImmortal) != 0;

    public string? LastError { get; }

    public DeadLetterInfo? DeadLetter { get; }

    /// <summary>Reads a value.</summary>
    /// <param name="stored">Empty for a message that has none.</param>
    public static QueuedState Read(ReadOnlySpan<byte> stored) => stored.IsEmpty ? default : new QueuedState(stored);
}
