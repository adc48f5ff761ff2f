using System.Buffers.Binary;
using Millrace.Sqlite.Engine;
using Millrace.Sqlite.Queues;
using Millrace.Storage;

namespace Millrace.Sqlite.Streams;

/// <summary>
/// Records as bytes, one after the other. Each is: a 64-bit little-endian timestamp in wall ticks; the lengths of key, headers and body, seven bits a byte, the lowest first,
/// the high bit set in all but the last; then key, headers (see <see cref="HeaderCodec"/>) and body.
/// </summary>
/// <remarks>
/// An append is stored as one row of records, or as few, instead of a row a record: SQLite spends about 2 µs on a row and its place in the index, whatever its size, so a thousand
/// records in one row cost as much as two single ones and the copying of their bytes. It costs nothing in what can be done: offsets in a row are dense, so any of them is found from
/// the row's first; trimming moves the partition's start to any offset and deletes the rows that lie wholly below it. Rows are bounded, because a row is read whole.
/// </remarks>
internal static class RecordCodec
{
    /// <summary>A row is closed when it has so many bytes; one record may make it larger.</summary>
    public const int RowBytes = 128 * 1024;

    private const int TimestampBytes = 8;
    private const int MaxLengthBytes = 5;

    /// <summary>The rows of an append.</summary>
    /// <param name="records">Its records, at least one.</param>
    /// <param name="now">The timestamp of those that have none, in wall ticks.</param>
    public static List<EncodedRow> Encode(ReadOnlySpan<StreamRecord> records, long now)
    {
        var rows = new List<EncodedRow>();
        while (!records.IsEmpty)
        {
            var row = EncodeRow(records, now);
            rows.Add(row);
            records = records[row.Count..];
        }

        return rows;
    }

    /// <summary>Throws if a row is not as it was written.</summary>
    public static void Check(in StoredRow row, string file)
    {
        if (Crc32C.Of(row.Bytes.Span) != row.Checksum)
        {
            throw new StorageCorruptException(
                $"The database file '{file}' is damaged: the records at the offsets {row.First} to {row.First + row.Count - 1} of a stream do not have the checksum that they were written with. "
                + "Those before and after them can be read; trim the partition beyond them to go on without them.");
        }
    }

    /// <summary>Reads the records of a row from <paramref name="offset"/> on, as long as they fit.</summary>
    /// <param name="row">The row.</param>
    /// <param name="offset">The first wanted; those before it are passed over.</param>
    /// <param name="into">Where they are added; they keep the row's bytes.</param>
    /// <param name="maxRecords">The most records in <paramref name="into"/>.</param>
    /// <param name="bytesLeft">Lowered by the bytes of each; the first of all is taken even if it is larger.</param>
    /// <returns>False when a record did not fit.</returns>
    public static bool Decode(in StoredRow row, long offset, List<StreamRecord> into, int maxRecords, ref long bytesLeft)
    {
        var reader = new RowReader(row.Bytes);
        for (var i = 0; i < row.Count; i++)
        {
            var record = reader.Read(row.First + i, isWanted: row.First + i >= offset);
            if (record.Offset < offset)
            {
                continue;
            }

            var size = StreamRecordRules.SizeOf(in record);
            if (into.Count == maxRecords || (into.Count > 0 && size > bytesLeft))
            {
                return false;
            }

            bytesLeft -= size;
            into.Add(record);
        }

        return true;
    }

    /// <summary>The first offset in a row, from <paramref name="offset"/> on, whose timestamp is at or after <paramref name="wall"/>; null when there is none.</summary>
    public static long? Find(in StoredRow row, long offset, long wall)
    {
        var reader = new RowReader(row.Bytes);
        for (var i = 0; i < row.Count; i++)
        {
            var record = reader.Read(row.First + i, isWanted: false);
            if (record.Offset >= offset && StoreClock.ToWall(record.Timestamp) >= wall)
            {
                return record.Offset;
            }
        }

        return null;
    }

    private static EncodedRow EncodeRow(ReadOnlySpan<StreamRecord> records, long now)
    {
        var count = 0;
        var size = 0;
        var headers = new byte[]?[records.Length];
        while (count < records.Length && size < RowBytes)
        {
            ref readonly var record = ref records[count];
            headers[count] = record.Headers is { Count: > 0 } some ? HeaderCodec.Encode(some) : null;
            size += TimestampBytes + (3 * MaxLengthBytes) + record.Key.Length + (headers[count]?.Length ?? 0) + record.Body.Length;
            count++;
        }

        var bytes = new byte[size];
        var rest = bytes.AsSpan();
        var newest = long.MinValue;
        var counted = 0L;
        for (var i = 0; i < count; i++)
        {
            ref readonly var record = ref records[i];
            var wall = record.Timestamp == default ? now : StoreClock.ToWall(record.Timestamp);
            newest = Math.Max(newest, wall);
            counted += StreamRecordRules.SizeOf(in record);
            BinaryPrimitives.WriteInt64LittleEndian(rest, wall);
            rest = rest[TimestampBytes..];
            WriteLength(ref rest, record.Key.Length);
            WriteLength(ref rest, headers[i]?.Length ?? 0);
            WriteLength(ref rest, record.Body.Length);
            Write(ref rest, record.Key.Span);
            Write(ref rest, headers[i]);
            Write(ref rest, record.Body.Span);
        }

        var written = bytes.AsMemory(0, size - rest.Length);
        return new EncodedRow(count, counted, newest, Crc32C.Of(written.Span), written);
    }

    private static void Write(ref Span<byte> rest, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(rest);
        rest = rest[bytes.Length..];
    }

    private static void WriteLength(ref Span<byte> rest, int length)
    {
        var left = (uint)length;
        while (left >= 0x80)
        {
            rest[0] = (byte)(left | 0x80);
            rest = rest[1..];
            left >>= 7;
        }

        rest[0] = (byte)left;
        rest = rest[1..];
    }

    private ref struct RowReader(ReadOnlyMemory<byte> bytes)
    {
        private ReadOnlyMemory<byte> _rest = bytes;

        public StreamRecord Read(long offset, bool isWanted)
        {
            if (_rest.Length < TimestampBytes)
            {
                throw Torn(offset);
            }

            var timestamp = StoreClock.ToDateTime(BinaryPrimitives.ReadInt64LittleEndian(_rest.Span));
            _rest = _rest[TimestampBytes..];
            var key = ReadLength(offset);
            var headers = ReadLength(offset);
            var body = ReadLength(offset);
            if ((long)key + headers + body > _rest.Length)
            {
                throw Torn(offset);
            }

            var record = new StreamRecord
            {
                Offset = offset,
                Timestamp = timestamp,
                Key = _rest[..key],
                Headers = isWanted && headers > 0 ? HeaderCodec.Decode(_rest.Span.Slice(key, headers)) : null,
                Body = _rest.Slice(key + headers, body),
            };
            _rest = _rest[(key + headers + body)..];
            return record;
        }

        private int ReadLength(long offset)
        {
            var length = 0L;
            for (var i = 0; i < MaxLengthBytes && i < _rest.Length; i++)
            {
                var one = _rest.Span[i];
                length |= (long)(one & 0x7f) << (7 * i);
                if (one < 0x80 && length <= int.MaxValue)
                {
                    _rest = _rest[(i + 1)..];
                    return (int)length;
                }
            }

            throw Torn(offset);
        }

        private static StorageCorruptException Torn(long offset) => new($"The row of records that holds offset {offset} ends in the middle of one.");
    }
}

/// <summary>Records of one append, ready to be written.</summary>
/// <param name="Count">How many.</param>
/// <param name="Size">The bytes of their keys, headers and bodies.</param>
/// <param name="Newest">Their highest timestamp, in wall ticks.</param>
/// <param name="Checksum">Of the bytes.</param>
/// <param name="Bytes">The records.</param>
internal readonly record struct EncodedRow(int Count, long Size, long Newest, uint Checksum, ReadOnlyMemory<byte> Bytes);

/// <summary>A row that was read.</summary>
/// <param name="First">The offset of its first record.</param>
/// <param name="Count">How many records it has.</param>
/// <param name="Size">The bytes of their keys, headers and bodies.</param>
/// <param name="Checksum">As it was written.</param>
/// <param name="Bytes">The records.</param>
internal readonly record struct StoredRow(long First, int Count, long Size, uint Checksum, ReadOnlyMemory<byte> Bytes);
