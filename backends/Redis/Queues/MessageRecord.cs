using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <summary>
/// The form of a message in its queue's hash <c>messages</c>, described in docs/formats.md: the time of its enqueue, which the script puts before what is written here; what scripts act on,
/// at fixed places; then what only clients read, and the body at the end.
/// </summary>
internal static class MessageRecord
{
    /// <summary>Bytes of the hash of an id.</summary>
    public const int HashBytes = 16;

    /// <summary>The flags that scripts act on.</summary>
    public const byte Special = HasId | HasLife | HasKey;

    private const byte HasId = 1;
    private const byte HasLife = 2;
    private const byte HasKey = 4;
    private const byte HasContentType = 8;
    private const byte HasHeaders = 16;
    private const int TimeBytes = 8;
    private const int FixedBytes = 6;
    private const int StackBytes = 1024;

    /// <summary>The hash by which a queue knows an id (law Q2): cryptographic, because senders choose ids, and without a key, so that every process has it.</summary>
    public static void Hash(MessageId id, Span<byte> hash)
    {
        Span<byte> text = stackalloc byte[StackBytes];
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        var name = id.ToString();
        var length = Encoding.UTF8.GetMaxByteCount(name.Length) <= text.Length ? Encoding.UTF8.GetBytes(name, text) : -1;
        SHA256.HashData(length >= 0 ? text[..length] : Encoding.UTF8.GetBytes(name), digest);
        digest[..HashBytes].CopyTo(hash);
    }

    /// <summary>How many bytes <see cref="Write"/> writes.</summary>
    public static int Measure(in Envelope envelope)
    {
        var bytes = FixedBytes + envelope.Body.Length;
        bytes += envelope.Id.IsEmpty ? 0 : HashBytes + 1 + (envelope.Id.TryGetUuid(out _) ? 36 : Encoding.UTF8.GetByteCount(envelope.Id.ToString()));
        bytes += envelope.TimeToLive is null ? 0 : sizeof(long);
        bytes += envelope.Key is null ? 0 : 1 + Encoding.UTF8.GetByteCount(envelope.Key);
        bytes += envelope.ContentType is null ? 0 : 1 + Encoding.UTF8.GetByteCount(envelope.ContentType);
        if (envelope.Headers is { Count: > 0 } headers)
        {
            bytes += sizeof(ushort);
            foreach (var header in headers.AsSpan())
            {
                bytes += (2 * sizeof(int)) + Encoding.UTF8.GetByteCount(header.Key) + Encoding.UTF8.GetByteCount(header.Value);
            }
        }

        return bytes;
    }

    /// <summary>Writes the record of a message that has passed <see cref="EnvelopeRules"/>.</summary>
    public static void Write(in Envelope envelope, Span<byte> into)
    {
        var headers = envelope.Headers is { Count: > 0 } some ? some : null;
        into[0] = (byte)((envelope.Id.IsEmpty ? 0 : HasId)
            | (envelope.TimeToLive is null ? 0 : HasLife)
            | (envelope.Key is null ? 0 : HasKey)
            | (envelope.ContentType is null ? 0 : HasContentType)
            | (headers is null ? 0 : HasHeaders));
        into[1] = (byte)envelope.Priority;
        BinaryPrimitives.WriteInt32LittleEndian(into[2..], envelope.Body.Length);
        var at = into[FixedBytes..];
        if (!envelope.Id.IsEmpty)
        {
            Hash(envelope.Id, at);
            at = at[HashBytes..];
        }

        if (envelope.TimeToLive is { } life)
        {
            BinaryPrimitives.WriteInt64LittleEndian(at, RedisTime.MicrosecondsOf(life));
            at = at[sizeof(long)..];
        }

        at = envelope.Key is null ? at : WriteShort(envelope.Key, at);
        at = envelope.Id.IsEmpty ? at : WriteShort(envelope.Id.ToString(), at);
        at = envelope.ContentType is null ? at : WriteShort(envelope.ContentType, at);
        if (headers is not null)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(at, (ushort)headers.Count);
            at = at[sizeof(ushort)..];
            foreach (var header in headers.AsSpan())
            {
                at = WriteLong(header.Value, WriteLong(header.Key, at));
            }
        }

        envelope.Body.Span.CopyTo(at);
    }

    /// <summary>Reads a stored message. Its body stays in <paramref name="stored"/>.</summary>
    /// <param name="stored">The value in the hash.</param>
    /// <param name="number">The message's number.</param>
    /// <param name="salt">The queue's, of which ids that it assigned are made.</param>
    /// <param name="state">What has become of it.</param>
    /// <exception cref="StorageCorruptException">The value is damaged.</exception>
    public static Message Read(ReadOnlyMemory<byte> stored, long number, int salt, in QueuedState state)
    {
        try
        {
            return ReadWhole(stored, number, salt, in state);
        }
        catch (Exception fault) when (fault is ArgumentException or IndexOutOfRangeException)
        {
            throw new StorageCorruptException($"Message {number} is damaged in Redis: its record of {stored.Length} bytes ends too early.", fault);
        }
    }

    private static Message ReadWhole(ReadOnlyMemory<byte> stored, long number, int salt, in QueuedState state)
    {
        var bytes = stored.Span;
        var enqueuedAt = BinaryPrimitives.ReadInt64LittleEndian(bytes);
        var flags = bytes[TimeBytes];
        var length = BinaryPrimitives.ReadInt32LittleEndian(bytes[(TimeBytes + 2)..]);
        var rest = bytes[(TimeBytes + FixedBytes)..];
        rest = (flags & HasId) == 0 ? rest : rest[HashBytes..];
        var life = 0L;
        if ((flags & HasLife) != 0)
        {
            life = BinaryPrimitives.ReadInt64LittleEndian(rest);
            rest = rest[sizeof(long)..];
        }

        var key = (flags & HasKey) == 0 ? null : ReadShort(ref rest);
        var id = (flags & HasId) == 0 ? new MessageId(AssignedId.Create(enqueuedAt, number, salt)) : new MessageId(ReadShort(ref rest));
        var contentType = (flags & HasContentType) == 0 ? null : ReadShort(ref rest);
        var headers = (flags & HasHeaders) == 0 ? MessageHeaders.Empty : ReadHeaders(ref rest);
        return new Message
        {
            Id = id,
            Body = stored.Slice(stored.Length - rest.Length, length),
            Headers = headers,
            ContentType = contentType,
            Key = key,
            Priority = bytes[TimeBytes + 1],
            EnqueuedAt = RedisTime.InstantOf(enqueuedAt),
            ExpiresAt = (flags & HasLife) == 0 || state.NeverExpires ? null : RedisTime.InstantOf(enqueuedAt + life),
            DeadLetter = state.DeadLetter,
        };
    }

    private static Span<byte> WriteShort(string text, Span<byte> into)
    {
        var length = Encoding.UTF8.GetBytes(text, into[1..]);
        into[0] = (byte)length;
        return into[(1 + length)..];
    }

    private static Span<byte> WriteLong(string text, Span<byte> into)
    {
        var length = Encoding.UTF8.GetBytes(text, into[sizeof(int)..]);
        BinaryPrimitives.WriteInt32LittleEndian(into, length);
        return into[(sizeof(int) + length)..];
    }

    private static string ReadShort(ref ReadOnlySpan<byte> bytes)
    {
        var text = Encoding.UTF8.GetString(bytes.Slice(1, bytes[0]));
        bytes = bytes[(1 + bytes[0])..];
        return text;
    }

    private static string ReadLong(ref ReadOnlySpan<byte> bytes)
    {
        var length = BinaryPrimitives.ReadInt32LittleEndian(bytes);
        var text = Encoding.UTF8.GetString(bytes.Slice(sizeof(int), length));
        bytes = bytes[(sizeof(int) + length)..];
        return text;
    }

    private static MessageHeaders ReadHeaders(ref ReadOnlySpan<byte> bytes)
    {
        var headers = new KeyValuePair<string, string>[BinaryPrimitives.ReadUInt16LittleEndian(bytes)];
        bytes = bytes[sizeof(ushort)..];
        for (var i = 0; i < headers.Length; i++)
        {
            var name = ReadLong(ref bytes);
            headers[i] = new(name, ReadLong(ref bytes));
        }

        return MessageHeaders.Create(headers);
    }
}
