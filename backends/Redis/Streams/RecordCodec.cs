using System.Buffers.Text;
using Millrace.Redis.Client;
using Millrace.Storage;

namespace Millrace.Redis.Streams;

/// <summary>
/// Records as bytes, one after the other; how, stands in docs/formats.md. A batch is stored as one entry of a Redis Stream, or as few, instead of an entry a record: a command of
/// Redis costs about a microsecond, whatever its size, and so does an entry of a reply.
/// </summary>
internal static class RecordCodec
{
    /// <summary>A row is closed when it has so many bytes of keys, headers and bodies; one record may make it larger. Rows are read whole, so they are bounded.</summary>
    public const int RowBytes = 128 * 1024;

    /// <summary>Digits of a number that Lua compares as text: enough for every 64-bit number that is not negative.</summary>
    public const string Digits = "D19";

    private const int TimestampBytes = sizeof(long);

    /// <summary>Adds the rows of an append to a call of <c>append.lua</c>.</summary>
    public static void AddRows(RedisCommand call, ReadOnlySpan<StreamRecord> records)
    {
        while (!records.IsEmpty)
        {
            records = records[AddRow(call, records)..];
        }
    }

    /// <summary>Throws if a row is not as it was written.</summary>
    public static void Check(in StoredRow row, string stream, int partition)
    {
        if (Crc32C.Of(row.Bytes.Span) != row.Checksum)
        {
            throw new StorageCorruptException(
                $"The records {row.First} to {row.Next - 1} of partition {partition} of stream '{stream}' in Redis do not have the checksum that they were written with. "
                + "Those before and after them can be read; trim the partition beyond them to go on without them.");
        }
    }

    /// <summary>Reads the records of a row from an offset on, as long as they fit.</summary>
    /// <param name="row">The row.</param>
    /// <param name="offset">The first wanted; those before it are passed over.</param>
    /// <param name="into">Where they are put; they keep the row's bytes.</param>
    /// <param name="count">How many are there already; raised.</param>
    /// <param name="bytesLeft">Lowered by the bytes of each; the first of all is taken even if it is larger.</param>
    /// <returns>False when a record did not fit.</returns>
    public static bool Decode(in StoredRow row, long offset, Span<StreamRecord> into, ref int count, ref long bytesLeft)
    {
        var first = row.First;
        var reader = new PackedReader(row.Bytes, () => $"The entry of a stream with the records from {first} on");
        for (var i = 0; i < row.Count; i++)
        {
            var at = row.First + i;
            var record = Read(ref reader, at, row.AppendedAt, isWanted: at >= offset);
            if (at < offset)
            {
                continue;
            }

            var size = StreamRecordRules.SizeOf(in record);
            if (count == into.Length || (count > 0 && size > bytesLeft))
            {
                return false;
            }

            bytesLeft -= size;
            into[count++] = record;
        }

        return true;
    }

    /// <summary>The first offset in a row, from an offset on, whose timestamp is at or after an instant; null when there is none.</summary>
    public static long? Find(in StoredRow row, long offset, DateTimeOffset timestamp)
    {
        var first = row.First;
        var reader = new PackedReader(row.Bytes, () => $"The entry of a stream with the records from {first} on");
        for (var i = 0; i < row.Count; i++)
        {
            var record = Read(ref reader, row.First + i, row.AppendedAt, isWanted: false);
            if (record.Offset >= offset && record.Timestamp >= timestamp)
            {
                return record.Offset;
            }
        }

        return null;
    }

    private static int AddRow(RedisCommand call, ReadOnlySpan<StreamRecord> records)
    {
        var (count, size, packed, newest, unstamped) = (0, 0L, 0, 0L, false);
        while (count < records.Length && size < RowBytes)
        {
            ref readonly var record = ref records[count];
            size += StreamRecordRules.SizeOf(in record);
            packed += TimestampBytes + PackedWriter.SizeOfLength(record.Key.Length) + record.Key.Length
                + PackedWriter.SizeOfHeaders(record.Headers) + PackedWriter.SizeOfLength(record.Body.Length) + record.Body.Length;
            newest = Math.Max(newest, record.Timestamp.UtcTicks);
            unstamped |= record.Timestamp.UtcTicks == 0;
            count++;
        }

        var bytes = call.Reserve(packed);
        var writer = new PackedWriter(bytes);
        for (var i = 0; i < count; i++)
        {
            ref readonly var record = ref records[i];
            writer.WriteInt64(record.Timestamp.UtcTicks);
            writer.WriteLength(record.Key.Length);
            writer.WriteBytes(record.Key.Span);
            writer.WriteHeaders(record.Headers);
            writer.WriteLength(record.Body.Length);
            writer.WriteBytes(record.Body.Span);
        }

        var checksum = Crc32C.Of(bytes);
        call.Add(checksum).Add(count).Add(size).Add(newest.ToString(Digits, System.Globalization.CultureInfo.InvariantCulture)).Add(unstamped ? 1 : 0);
        return count;
    }

    private static StreamRecord Read(ref PackedReader reader, long offset, DateTimeOffset appendedAt, bool isWanted)
    {
        var ticks = reader.ReadInt64();
        var key = reader.ReadBytes(reader.ReadLength());
        MessageHeaders? headers = null;
        if (isWanted)
        {
            headers = reader.ReadHeaders();
        }
        else
        {
            reader.SkipHeaders();
        }

        return new StreamRecord
        {
            Offset = offset,
            Timestamp = ticks == 0 ? appendedAt : new DateTimeOffset(ticks, TimeSpan.Zero),
            Key = key,
            Headers = headers,
            Body = reader.ReadBytes(reader.ReadLength()),
        };
    }
}

/// <summary>An entry of a partition's Redis Stream: records of one append.</summary>
/// <param name="First">The offset of its first record.</param>
/// <param name="Count">How many records it has.</param>
/// <param name="AppendedAt">The timestamp of those that the store gave one.</param>
/// <param name="Checksum">Of the bytes, as it was written.</param>
/// <param name="Bytes">The records.</param>
internal readonly record struct StoredRow(long First, int Count, DateTimeOffset AppendedAt, uint Checksum, ReadOnlyMemory<byte> Bytes)
{
    public long Next => First + Count;

    /// <summary>A row as the scripts return it.</summary>
    public static StoredRow Of(RedisReply reply)
    {
        var items = reply.Items;
        if (!Utf8Parser.TryParse(items[0].Bytes.Span, out long id, out _))
        {
            throw new StorageCorruptException("An entry of a partition in Redis has no id that a record can have: something else has written it.");
        }

        return new StoredRow(
            id - 1, (int)items[1].ToInteger(), new DateTimeOffset(items[2].ToInteger(), TimeSpan.Zero), (uint)items[3].ToInteger(), items[4].Bytes);
    }
}
