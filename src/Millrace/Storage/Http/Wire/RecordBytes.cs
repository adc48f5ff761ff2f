using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace Millrace.Storage.Http.Wire;

/// <summary>
/// Records of streams in bytes, for programs: base64 in JSON would cost a third of the bandwidth, and most of the time. Numbers are little-endian. Specified in
/// docs/guide/http-api.md; another layout has another number in its first byte.
/// </summary>
/// <remarks>
/// <code>
/// append: 1 | producer bytes u16, producer | first sequence i64 | count u32 | record…
/// page:   1 | first offset i64 | next offset i64 | end offset i64 | count u32 | record…
/// record: timestamp in ticks of 100 ns since year 1, UTC, i64 (0: set by the store) | key bytes u32, key | headers u16, (name bytes u32, name, value bytes u32, value)… | body bytes u32, body
/// </code>
/// </remarks>
internal static class RecordBytes
{
    /// <summary>The media type.</summary>
    public const string MediaType = "application/vnd.millrace.records";

    private const byte Layout = 1;

    // The timestamp, and the lengths of key, headers and body.
    private const int SmallestRecord = 8 + 4 + 2 + 4;

    public static void WriteAppend(IBufferWriter<byte> output, in AppendRequest request)
    {
        Write(output, Layout);
        Write(output, checked((ushort)Encoding.UTF8.GetByteCount(request.ProducerId ?? "")));
        Encoding.UTF8.GetBytes(request.ProducerId ?? "", output);
        Write(output, request.FirstSequence);
        WriteRecords(output, request.Records.Span);
    }

    /// <summary>Reads an append; keys and bodies are slices of <paramref name="bytes"/>.</summary>
    /// <exception cref="WireFormatException">The bytes are no such thing.</exception>
    public static AppendRequest ReadAppend(ReadOnlyMemory<byte> bytes, int maxRecords)
    {
        var reader = new Reader(bytes);
        reader.RequireLayout();
        var producer = reader.Text(reader.UInt16());
        var sequence = reader.Int64();
        var count = reader.Count(SmallestRecord);
        if (count > maxRecords)
        {
            throw new WireFormatException($"An append has at most {maxRecords} records here, not {count}.");
        }

        var records = new StreamRecord[count];
        reader.ReadRecords(records, 0);
        return new AppendRequest(records) { ProducerId = producer.Length == 0 ? null : producer, FirstSequence = sequence };
    }

    public static void WritePage(IBufferWriter<byte> output, StreamPage page)
    {
        Write(output, Layout);
        Write(output, page.Records.IsEmpty ? page.NextOffset : page.Records.Span[0].Offset);
        Write(output, page.NextOffset);
        Write(output, page.EndOffset);
        WriteRecords(output, page.Records.Span);
    }

    /// <summary>Reads a page, which owns copies of what it needs.</summary>
    /// <exception cref="WireFormatException">The bytes are no such thing.</exception>
    public static StreamPage ReadPage(ReadOnlySpan<byte> bytes)
    {
        var copy = ArrayPool<byte>.Shared.Rent(bytes.Length);
        bytes.CopyTo(copy);
        StreamRecord[]? records = null;
        try
        {
            var reader = new Reader(copy.AsMemory(0, bytes.Length));
            reader.RequireLayout();
            var (first, next, end) = (reader.Int64(), reader.Int64(), reader.Int64());
            var count = reader.Count(SmallestRecord);
            records = ArrayPool<StreamRecord>.Shared.Rent(count);
            reader.ReadRecords(records.AsSpan(0, count), first);
            return new StreamPage(records, count, copy, next, end);
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(copy);
            if (records is not null)
            {
                ArrayPool<StreamRecord>.Shared.Return(records, clearArray: true);
            }

            throw;
        }
    }

    private static void WriteRecords(IBufferWriter<byte> output, ReadOnlySpan<StreamRecord> records)
    {
        Write(output, (uint)records.Length);
        foreach (ref readonly var record in records)
        {
            Write(output, record.Timestamp == default ? 0 : record.Timestamp.UtcTicks);
            Write(output, record.Key.Span);
            Write(output, checked((ushort)(record.Headers?.Count ?? 0)));
            if (record.Headers is { Count: > 0 } headers)
            {
                foreach (var header in headers.AsSpan())
                {
                    Write(output, header.Key);
                    Write(output, header.Value);
                }
            }

            Write(output, record.Body.Span);
        }
    }

    private static void Write(IBufferWriter<byte> output, string text)
    {
        Write(output, (uint)Encoding.UTF8.GetByteCount(text));
        Encoding.UTF8.GetBytes(text, output);
    }

    private static void Write(IBufferWriter<byte> output, ReadOnlySpan<byte> bytes)
    {
        Write(output, (uint)bytes.Length);
        output.Write(bytes);
    }

    private static void Write(IBufferWriter<byte> output, byte value)
    {
        output.GetSpan(1)[0] = value;
        output.Advance(1);
    }

    private static void Write(IBufferWriter<byte> output, ushort value)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(output.GetSpan(sizeof(ushort)), value);
        output.Advance(sizeof(ushort));
    }

    private static void Write(IBufferWriter<byte> output, uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(output.GetSpan(sizeof(uint)), value);
        output.Advance(sizeof(uint));
    }

    private static void Write(IBufferWriter<byte> output, long value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(output.GetSpan(sizeof(long)), value);
        output.Advance(sizeof(long));
    }

    /// <summary>Reads forward; whatever a length says, nothing beyond the end is read or allocated.</summary>
    private ref struct Reader(ReadOnlyMemory<byte> bytes)
    {
        private int _position;

        public void RequireLayout()
        {
            var layout = Take(1).Span[0];
            if (layout != Layout)
            {
                throw new WireFormatException($"The records have the layout {layout}; known is {Layout}.");
            }
        }

        public ushort UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(sizeof(ushort)).Span);

        public long Int64() => BinaryPrimitives.ReadInt64LittleEndian(Take(sizeof(long)).Span);

        /// <summary>How many things follow of which the smallest has <paramref name="smallest"/> bytes.</summary>
        public int Count(int smallest)
        {
            var count = BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint)).Span);
            return count <= (uint)((bytes.Length - _position) / smallest) ? (int)count : throw Short();
        }

        public string Text(int length)
        {
            var text = Take(length).Span;
            return Utf8.IsValid(text) ? Encoding.UTF8.GetString(text) : throw new WireFormatException("A text among the records is not valid UTF-8.");
        }

        public void ReadRecords(scoped Span<StreamRecord> records, long first)
        {
            for (var i = 0; i < records.Length; i++)
            {
                records[i] = new StreamRecord
                {
                    Offset = first + i,
                    Timestamp = Timestamp(),
                    Key = Take(Count(1)),
                    Headers = Headers(),
                    Body = Take(Count(1)),
                };
            }

            if (_position != bytes.Length)
            {
                throw new WireFormatException("Something follows the last record.");
            }
        }

        private DateTimeOffset Timestamp()
        {
            var ticks = Int64();
            return ticks == 0 ? default
                : ticks > 0 && ticks <= DateTime.MaxValue.Ticks ? new DateTimeOffset(ticks, TimeSpan.Zero)
                : throw new WireFormatException("A record's timestamp is none: it is given in ticks of 100 ns since the year 1.");
        }

        private MessageHeaders? Headers()
        {
            var count = UInt16();
            if (count == 0)
            {
                return null;
            }

            if (count > EnvelopeRules.MaxHeaders)
            {
                throw new WireFormatException($"A record has {count} headers, the limit is {EnvelopeRules.MaxHeaders}.");
            }

            var headers = new KeyValuePair<string, string>[count];
            for (var i = 0; i < count; i++)
            {
                var name = Text(Count(1));
                headers[i] = name.Length > 0 ? new(name, Text(Count(1))) : throw new WireFormatException("A header has an empty name.");
            }

            return MessageHeaders.Create(headers);
        }

        private ReadOnlyMemory<byte> Take(int length)
        {
            if (length > bytes.Length - _position)
            {
                throw Short();
            }

            _position += length;
            return bytes.Slice(_position - length, length);
        }

        private static WireFormatException Short() => new("The records end in the middle.");
    }
}
