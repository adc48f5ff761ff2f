using System.Buffers.Binary;

namespace Millrace.Storage.Engine;

/// <summary>The form in which a journal has a message: all that its sender gave and the store added, closed by a checksum, so that it can be read back alone.</summary>
internal static class MessageRecord
{
    private const byte HasSenderId = 1;
    private const byte HasTextId = 2;
    private const byte HasKey = 4;
    private const byte HasContentType = 8;
    private const byte HasHeaders = 16;
    private const byte HasExpiry = 32;
    private const byte IsScheduled = 64;
    private const int ChecksumBytes = 4;
    private const int UuidBytes = 16;

    // Everything but texts, headers and the body: kind, slot, flags, priority, sequence, three instants, a UUID, the lengths, the checksum.
    private const int MaxFixedBytes = 100;

    /// <summary>An upper bound of the bytes of the change that stores a message.</summary>
    public static long BoundOf(in Envelope envelope)
    {
        const int MaxBytesPerChar = 3;
        var bytes = MaxFixedBytes + (long)envelope.Body.Length
            + (MaxBytesPerChar * ((long)(envelope.Key?.Length ?? 0) + (envelope.ContentType?.Length ?? 0) + EnvelopeRules.MaxTextBytes));
        foreach (var header in (envelope.Headers ?? MessageHeaders.Empty).AsSpan())
        {
            bytes += 10 + (MaxBytesPerChar * ((long)header.Key.Length + header.Value.Length));
        }

        return bytes;
    }

    /// <summary>Writes the record of a message.</summary>
    /// <param name="changes">Where to.</param>
    /// <param name="message">The message without its body.</param>
    /// <param name="body">Its body.</param>
    /// <param name="sequence">Its place.</param>
    /// <param name="hasSenderId">Whether the id is the sender's.</param>
    /// <param name="dueAt">When it is due, in UTC ticks; 0: at once.</param>
    public static void Write(ChangeWriter changes, in MessageContent message, ReadOnlySpan<byte> body, long sequence, bool hasSenderId, long dueAt)
    {
        var start = changes.Position;
        var isUuid = message.Id.TryGetUuid(out var uuid);
        var flags = (byte)((hasSenderId ? HasSenderId : 0)
            | (isUuid ? 0 : HasTextId)
            | (message.Key is null ? 0 : HasKey)
            | (message.ContentType is null ? 0 : HasContentType)
            | (message.Headers.Count == 0 ? 0 : HasHeaders)
            | (message.ExpiresAt is null ? 0 : HasExpiry)
            | (dueAt == 0 ? 0 : IsScheduled));
        changes.Byte(flags).Byte((byte)message.Priority).Number(sequence).Ticks(message.EnqueuedAt.UtcTicks);
        if (isUuid)
        {
            changes.Uuid(uuid);
        }
        else
        {
            changes.Text(message.Id.ToString());
        }

        if (dueAt != 0)
        {
            changes.Ticks(dueAt);
        }

        if (message.ExpiresAt is { } expiresAt)
        {
            changes.Ticks(expiresAt.UtcTicks);
        }

        WriteTexts(changes, in message);
        changes.Bytes(body);
        changes.Fixed(Crc32C.Of(changes.Since(start)));
    }

    /// <summary>Reads a record, and moves the reader behind it.</summary>
    /// <param name="reader">Stands at the record.</param>
    /// <param name="withMessage">Whether the message is wanted, or only what the queue keeps of it.</param>
    /// <exception cref="StorageCorruptException">The record is damaged.</exception>
    public static StoredMessage Read(ref ChangeReader reader, bool withMessage) => Read(ref reader, withMessage, default);

    private static StoredMessage Read(ref ChangeReader reader, bool withMessage, ReadOnlyMemory<byte> shared)
    {
        var start = reader.Position;
        var flags = reader.Byte();
        var stored = new StoredMessage
        {
            Priority = reader.Byte(),
            Sequence = reader.Number(),
            HasSenderId = (flags & HasSenderId) != 0,
        };
        var enqueuedAt = reader.Ticks();
        stored.Id = (flags & HasTextId) == 0 ? new MessageId(reader.Uuid()) : new MessageId(reader.Text()!);
        stored.DueAt = (flags & IsScheduled) == 0 ? 0 : reader.Ticks();
        stored.ExpiresAt = (flags & HasExpiry) == 0 ? 0 : reader.Ticks();
        stored.Key = (flags & HasKey) == 0 ? null : reader.Text();
        var contentType = (flags & HasContentType) == 0 ? null : reader.Text();
        var headers = (flags & HasHeaders) == 0 ? MessageHeaders.Empty : ReadHeaders(ref reader);
        var body = reader.Bytes();
        var bodyEnd = reader.Position;
        stored.BodyBytes = body.Length;
        _ = reader.Fixed();
        stored.RecordBytes = reader.Position - start;
        if (withMessage)
        {
            stored.Message = new Message
            {
                Id = stored.Id,
                Body = shared.IsEmpty ? body.ToArray() : shared.Slice(bodyEnd - body.Length, body.Length),
                Headers = headers,
                ContentType = contentType,
                Key = stored.Key,
                Priority = stored.Priority,
                EnqueuedAt = new DateTimeOffset(enqueuedAt, TimeSpan.Zero),
                ExpiresAt = stored.ExpiresAt == 0 ? null : new DateTimeOffset(stored.ExpiresAt, TimeSpan.Zero),
            };
        }

        return stored;
    }

    /// <summary>Reads one record that was read back alone, and checks it.</summary>
    /// <exception cref="StorageCorruptException">The record is damaged.</exception>
    public static Message ReadAlone(ReadOnlySpan<byte> record, long location)
    {
        var reader = new ChangeReader(record);
        if (IsWhole(record))
        {
            return Read(ref reader, withMessage: true).Message!;
        }

        throw new StorageCorruptException($"The message that the journal has at position {location} ({record.Length} bytes) is damaged: its checksum does not match.");
    }

    /// <summary>Reads a whole record in memory that nobody changes any more, of which the message keeps its body's part.</summary>
    public static Message ReadShared(ReadOnlyMemory<byte> record)
    {
        var bytes = record.Span;
        if ((bytes[0] & ~HasSenderId) == 0)
        {
            return ReadPlain(record, bytes);
        }

        var reader = new ChangeReader(bytes);
        return Read(ref reader, withMessage: true, record).Message!;
    }

    /// <summary>Whether the checksum of a record fits.</summary>
    public static bool IsWhole(ReadOnlySpan<byte> record) => record.Length > ChecksumBytes && Crc32C.Of(record[..^ChecksumBytes]) == ChecksumOf(record);

    /// <summary>Whether the checksums of three records fit, in little more than the time that one takes.</summary>
    public static (bool First, bool Second, bool Third) AreWhole(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<byte> third)
    {
        if (Math.Min(first.Length, Math.Min(second.Length, third.Length)) <= ChecksumBytes)
        {
            return (IsWhole(first), IsWhole(second), IsWhole(third));
        }

        var (a, b, c) = Crc32C.Of(first[..^ChecksumBytes], second[..^ChecksumBytes], third[..^ChecksumBytes]);
        return (a == ChecksumOf(first), b == ChecksumOf(second), c == ChecksumOf(third));
    }

    /// <summary>
    /// Reads a whole record with nothing but what every record has, which most are, in a third of the time that a reader takes: whoever takes from a long backlog waits for it.
    /// </summary>
    private static Message ReadPlain(ReadOnlyMemory<byte> record, ReadOnlySpan<byte> bytes)
    {
        var enqueuedAt = EndOfNumber(bytes, 2);
        var id = enqueuedAt + sizeof(long);
        return new Message
        {
            Id = new MessageId(new Guid(bytes.Slice(id, UuidBytes), bigEndian: true)),
            Body = record[EndOfNumber(bytes, id + UuidBytes)..^ChecksumBytes],
            Priority = bytes[1],
            EnqueuedAt = new DateTimeOffset(BinaryPrimitives.ReadInt64LittleEndian(bytes[enqueuedAt..]), TimeSpan.Zero),
        };
    }

    private static int EndOfNumber(ReadOnlySpan<byte> bytes, int start)
    {
        while (bytes[start++] >= 0x80)
        {
        }

        return start;
    }

    private static uint ChecksumOf(ReadOnlySpan<byte> record) => new ChangeReader(record[^ChecksumBytes..]).Fixed();

    private static void WriteTexts(ChangeWriter changes, in MessageContent message)
    {
        if (message.Key is not null)
        {
            changes.Text(message.Key);
        }

        if (message.ContentType is not null)
        {
            changes.Text(message.ContentType);
        }

        if (message.Headers.Count > 0)
        {
            changes.Number(message.Headers.Count);
            foreach (var header in message.Headers.AsSpan())
            {
                changes.Text(header.Key).Text(header.Value);
            }
        }
    }

    private static MessageHeaders ReadHeaders(ref ChangeReader reader)
    {
        var headers = new KeyValuePair<string, string>[reader.SmallNumber()];
        for (var i = 0; i < headers.Length; i++)
        {
            var name = reader.Text();
            headers[i] = new(name!, reader.Text() ?? "");
        }

        return MessageHeaders.Create(headers);
    }
}

/// <summary>What a record has of a message besides its body, whether the message exists or only what its sender has given.</summary>
internal readonly struct MessageContent
{
    public required MessageId Id { get; init; }

    public required int Priority { get; init; }

    public required DateTimeOffset EnqueuedAt { get; init; }

    public required DateTimeOffset? ExpiresAt { get; init; }

    public required string? Key { get; init; }

    public required string? ContentType { get; init; }

    public required MessageHeaders Headers { get; init; }

    public static MessageContent Of(Message message) => new()
    {
        Id = message.Id,
        Priority = message.Priority,
        EnqueuedAt = message.EnqueuedAt,
        ExpiresAt = message.ExpiresAt,
        Key = message.Key,
        ContentType = message.ContentType,
        Headers = message.Headers,
    };

    /// <summary>What is sent without a life of its own.</summary>
    public static MessageContent Of(in Envelope envelope, MessageId id, DateTimeOffset acceptedAt) => new()
    {
        Id = id,
        Priority = envelope.Priority,
        EnqueuedAt = acceptedAt,
        ExpiresAt = null,
        Key = envelope.Key,
        ContentType = envelope.ContentType,
        Headers = envelope.Headers ?? MessageHeaders.Empty,
    };
}

/// <summary>A message as a journal has it.</summary>
internal struct StoredMessage
{
    public MessageId Id;
    public string? Key;
    public Message? Message;
    public long Sequence;

    /// <summary>In UTC ticks; 0: at once.</summary>
    public long DueAt;

    /// <summary>In UTC ticks; 0: never.</summary>
    public long ExpiresAt;

    public int BodyBytes;
    public int RecordBytes;
    public byte Priority;
    public bool HasSenderId;
}
