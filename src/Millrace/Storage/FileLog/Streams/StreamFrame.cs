using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Text;

namespace Millrace.Storage.FileLog.Streams;

/// <summary>The payload of a stream's frame: one append. Format 1; docs/formats.md describes it.</summary>
/// <remarks>
/// <code>
/// payload  = kind:u8 baseOffset:i64 baseTime:i64 count:u32 [producer] record*
/// kind     = 1: without a producer, 2: with one
/// producer = length:varint utf8 firstSequence:i64
/// record   = timeDelta:zigzag keyLength:varint key headers:varint (nameLength:varint name valueLength:varint value)* bodyLength:varint body
/// </code>
/// Times are ticks of 100 ns since 0001-01-01 UTC; numbers of fixed size are little-endian. The base offset stands at a fixed place because it is known last.
/// </remarks>
internal readonly ref struct StreamFrame
{
    private const byte PlainKind = 1;
    private const byte ProducerKind = 2;
    private const int OffsetAt = 1;
    private const int TimeAt = 9;
    private const int CountAt = 17;
    private const int HeadBytes = 21;
    private const int MaxVarintBytes = 10;
    private const int MaxLengthBytes = 5;

    private StreamFrame(ReadOnlySpan<byte> payload, int recordsAt, string? producerId, long firstSequence)
    {
        BaseOffset = BinaryPrimitives.ReadInt64LittleEndian(payload[OffsetAt..]);
        BaseTime = BinaryPrimitives.ReadInt64LittleEndian(payload[TimeAt..]);
        Count = BinaryPrimitives.ReadInt32LittleEndian(payload[CountAt..]);
        (RecordsAt, ProducerId, FirstSequence) = (recordsAt, producerId, firstSequence);
    }

    public long BaseOffset { get; }

    public long BaseTime { get; }

    public int Count { get; }

    /// <summary>Where in the payload the records begin.</summary>
    public int RecordsAt { get; }

    public string? ProducerId { get; }

    public long FirstSequence { get; }

    /// <summary>The most bytes that an append takes.</summary>
    /// <param name="request">The append.</param>
    /// <param name="bytes">Its bytes of keys, headers and bodies.</param>
    public static long MaxBytes(in AppendRequest request, long bytes)
    {
        var total = HeadBytes + bytes + (request.ProducerId is null ? 0 : MaxLengthBytes + sizeof(long) + ((long)request.ProducerId.Length * 3));
        foreach (ref readonly var record in request.Records.Span)
        {
            total += MaxVarintBytes + (3 * MaxLengthBytes) + ((record.Headers?.Count ?? 0) * 2L * MaxLengthBytes);
        }

        return total;
    }

    /// <summary>Writes an append, but for its base offset.</summary>
    /// <param name="request">The append.</param>
    /// <param name="now">The time of records that have none, in ticks of UTC.</param>
    /// <param name="into">At least <see cref="MaxBytes"/>.</param>
    /// <param name="latest">The latest time of its records.</param>
    /// <returns>The bytes written.</returns>
    public static int Write(in AppendRequest request, long now, Span<byte> into, out long latest)
    {
        var records = request.Records.Span;
        BinaryPrimitives.WriteInt64LittleEndian(into[TimeAt..], now);
        BinaryPrimitives.WriteInt32LittleEndian(into[CountAt..], records.Length);
        var at = HeadBytes;
        if (request.ProducerId is { } producer)
        {
            into[0] = ProducerKind;
            at = WriteText(into, at, producer);
            BinaryPrimitives.WriteInt64LittleEndian(into[at..], request.FirstSequence);
            at += sizeof(long);
        }
        else
        {
            into[0] = PlainKind;
        }

        latest = long.MinValue;
        foreach (ref readonly var record in records)
        {
            var time = record.Timestamp == default ? now : record.Timestamp.UtcTicks;
            latest = Math.Max(latest, time);
            var delta = time - now;
            at = WriteVarint(into, at, (ulong)((delta << 1) ^ (delta >> 63)));
            at = WriteBytes(into, at, record.Key.Span);
            at = record.Headers is { Count: > 0 } headers ? WriteHeaders(into, at, headers) : WriteVarint(into, at, 0);
            at = WriteBytes(into, at, record.Body.Span);
        }

        return at;
    }

    /// <summary>Puts the base offset into a payload.</summary>
    public static void SetBaseOffset(Span<byte> payload, long offset) => BinaryPrimitives.WriteInt64LittleEndian(payload[OffsetAt..], offset);

    /// <summary>Reads what stands before the records; false when it is none of this format.</summary>
    public static bool TryRead(ReadOnlySpan<byte> payload, out StreamFrame frame)
    {
        frame = default;
        if (payload.Length < HeadBytes || payload[0] is not (PlainKind or ProducerKind))
        {
            return false;
        }

        var at = HeadBytes;
        string? producer = null;
        var sequence = 0L;
        if (payload[0] == ProducerKind)
        {
            if (!TryReadBytes(payload, ref at, out var start, out var length) || payload.Length - at < sizeof(long))
            {
                return false;
            }

            producer = Encoding.UTF8.GetString(payload.Slice(start, length));
            sequence = BinaryPrimitives.ReadInt64LittleEndian(payload[at..]);
            at += sizeof(long);
        }

        frame = new StreamFrame(payload, at, producer, sequence);
        return frame is { Count: > 0, BaseOffset: >= 0 };
    }

    /// <summary>Passes over a record.</summary>
    /// <param name="payload">The payload.</param>
    /// <param name="at">Where the record begins; then where the next does.</param>
    /// <param name="baseTime">The frame's time.</param>
    /// <param name="parts">Where its parts are.</param>
    /// <returns>False when there is no whole record.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryReadRecord(ReadOnlySpan<byte> payload, ref int at, long baseTime, out RecordParts parts)
    {
        parts = default;
        if (!TryReadVarint(payload, ref at, out var zigzag)
            || !TryReadBytes(payload, ref at, out parts.KeyAt, out parts.KeyLength)
            || !TryReadVarint(payload, ref at, out var headers))
        {
            return false;
        }

        parts.Time = baseTime + ((long)(zigzag >> 1) ^ -(long)(zigzag & 1));
        if (headers > 0 && !TrySkipHeaders(payload, ref at, headers, ref parts))
        {
            return false;
        }

        return TryReadBytes(payload, ref at, out parts.BodyAt, out parts.BodyLength);
    }

    /// <summary>The headers of a record that was read.</summary>
    public static MessageHeaders ReadHeaders(ReadOnlySpan<byte> payload, in RecordParts parts)
    {
        var entries = new KeyValuePair<string, string>[parts.HeaderCount];
        var at = parts.HeadersAt;
        for (var i = 0; i < entries.Length; i++)
        {
            TryReadBytes(payload, ref at, out var name, out var nameLength);
            TryReadBytes(payload, ref at, out var value, out var valueLength);
            entries[i] = new(Encoding.UTF8.GetString(payload.Slice(name, nameLength)), Encoding.UTF8.GetString(payload.Slice(value, valueLength)));
        }

        return MessageHeaders.Create(entries);
    }

    private static bool TrySkipHeaders(ReadOnlySpan<byte> payload, ref int at, ulong count, ref RecordParts parts)
    {
        if (count > (ulong)payload.Length)
        {
            return false;
        }

        parts.HeaderCount = (int)count;
        parts.HeadersAt = at;
        for (var i = 0UL; i < count * 2; i++)
        {
            if (!TryReadBytes(payload, ref at, out _, out var length))
            {
                return false;
            }

            parts.HeaderBytes += length;
        }

        return true;
    }

    private static int WriteHeaders(Span<byte> into, int at, MessageHeaders headers)
    {
        at = WriteVarint(into, at, (ulong)headers.Count);
        foreach (var header in headers.AsSpan())
        {
            at = WriteText(into, at, header.Key);
            at = WriteText(into, at, header.Value);
        }

        return at;
    }

    private static int WriteText(Span<byte> into, int at, string text)
    {
        at = WriteVarint(into, at, (ulong)Encoding.UTF8.GetByteCount(text));
        return at + Encoding.UTF8.GetBytes(text, into[at..]);
    }

    private static int WriteBytes(Span<byte> into, int at, ReadOnlySpan<byte> bytes)
    {
        at = WriteVarint(into, at, (ulong)bytes.Length);
        bytes.CopyTo(into[at..]);
        return at + bytes.Length;
    }

    private static int WriteVarint(Span<byte> into, int at, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
        {
            into[at++] = (byte)(value | 0x80);
        }

        into[at++] = (byte)value;
        return at;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool TryReadBytes(ReadOnlySpan<byte> from, ref int at, out int start, out int length)
    {
        var isRead = TryReadVarint(from, ref at, out var value);
        start = at;
        length = (int)value;
        if (!isRead || value > (ulong)(from.Length - at))
        {
            return false;
        }

        at += length;
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool TryReadVarint(ReadOnlySpan<byte> from, ref int at, out ulong value)
    {
        if ((uint)at < (uint)from.Length && from[at] < 0x80)
        {
            value = from[at++];
            return true;
        }

        return TryReadLongVarint(from, ref at, out value);
    }

    private static bool TryReadLongVarint(ReadOnlySpan<byte> from, ref int at, out ulong value)
    {
        value = 0;
        for (var shift = 0; shift < 64 && at < from.Length; shift += 7)
        {
            var next = from[at++];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Where the parts of a record are in its payload.</summary>
    public struct RecordParts
    {
        public long Time;
        public int KeyAt;
        public int KeyLength;
        public int HeaderCount;
        public int HeadersAt;
        public int HeaderBytes;
        public int BodyAt;
        public int BodyLength;

        /// <summary>The bytes of key, headers and body.</summary>
        public readonly long Bytes => (long)KeyLength + HeaderBytes + BodyLength;
    }
}
