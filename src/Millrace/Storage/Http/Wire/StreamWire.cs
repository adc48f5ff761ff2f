using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Millrace.Streams;
using static Millrace.Storage.Http.Wire.WireNames;

namespace Millrace.Storage.Http.Wire;

/// <summary>Streams in JSON: what they are, their counts, their records for people, their groups. Programs that move many records use <see cref="RecordBytes"/>.</summary>
internal static class StreamWire
{
    public static void WriteInfo(Utf8JsonWriter json, StreamInfo info)
    {
        json.WriteStartObject();
        json.WriteString(Name, info.Name);
        json.WriteNumber(Partitions, info.Settings.Partitions);
        json.WritePropertyName(Retention);
        WriteRetention(json, info.Settings.Retention);
        json.WriteString(CreatedAt, info.CreatedAt);
        json.WriteEndObject();
    }

    public static void WriteRetention(Utf8JsonWriter json, StreamRetention retention)
    {
        json.WriteStartObject();
        if (retention.MaxAge is { } age)
        {
            WireValues.WriteMilliseconds(json, MaxAgeMs, age);
        }
        else
        {
            json.WriteNull(MaxAgeMs);
        }

        WriteOptional(json, MaxBytes, retention.MaxBytes);
        WriteOptional(json, MaxRecords, retention.MaxRecords);
        json.WriteEndObject();
    }

    /// <summary>Reads a retention; a bound that is not named does not hold.</summary>
    public static StreamRetention ReadRetention(ref WireReader json)
    {
        var retention = StreamRetention.Forever;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(MaxAgeMs))
            {
                retention = retention with { MaxAge = json.IsNull() ? null : json.Milliseconds() };
            }
            else if (json.Is(MaxBytes))
            {
                retention = retention with { MaxBytes = json.IsNull() ? null : json.Number(long.MinValue, long.MaxValue) };
            }
            else if (json.Is(MaxRecords))
            {
                retention = retention with { MaxRecords = json.IsNull() ? null : json.Number(long.MinValue, long.MaxValue) };
            }
            else
            {
                json.Unknown(MaxAgeMs, MaxBytes, MaxRecords);
            }
        }

        return retention;
    }

    /// <summary>Writes what a stream, or a partition of one, is to be.</summary>
    public static void WriteSettings(Utf8JsonWriter json, int partitions, StreamRetention retention)
    {
        json.WriteStartObject();
        json.WriteNumber(Partitions, partitions);
        json.WritePropertyName(Retention);
        WriteRetention(json, retention);
        json.WriteEndObject();
    }

    public static StreamSettings ReadSettings(ref WireReader json)
    {
        var settings = new StreamSettings();
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Partitions))
            {
                settings = settings with { Partitions = json.Number(int.MinValue, int.MaxValue) };
            }
            else if (json.Is(Retention))
            {
                settings = settings with { Retention = ReadRetention(ref json) };
            }
            else
            {
                json.Unknown(Partitions, Retention);
            }
        }

        return settings;
    }

    public static void WriteStats(Utf8JsonWriter json, int partition, StreamPartitionStats stats)
    {
        json.WriteStartObject();
        json.WriteNumber(Partition, partition);
        json.WriteNumber(EarliestOffset, stats.EarliestOffset);
        json.WriteNumber(EndOffset, stats.EndOffset);
        json.WriteNumber(Bytes, stats.Bytes);
        json.WriteEndObject();
    }

    public static StreamPartitionStats ReadStats(ref WireReader json)
    {
        var (earliest, end, bytes) = (0L, 0L, 0L);
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(EarliestOffset))
            {
                earliest = json.Number(0, long.MaxValue);
            }
            else if (json.Is(EndOffset))
            {
                end = json.Number(0, long.MaxValue);
            }
            else if (json.Is(Bytes))
            {
                bytes = json.Number(0, long.MaxValue);
            }
            else
            {
                json.Skip();
            }
        }

        return new StreamPartitionStats(earliest, end, bytes);
    }

    public static void WriteAppended(Utf8JsonWriter json, int partition, AppendResult result)
    {
        json.WriteStartObject();
        json.WriteNumber(Partition, partition);
        json.WriteNumber(Offset, result.FirstOffset);
        json.WriteBoolean(Duplicate, result.Duplicate);
        json.WriteEndObject();
    }

    public static AppendResult ReadAppended(ref WireReader json)
    {
        var (offset, duplicate) = (0L, false);
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Offset))
            {
                offset = json.Number(-1, long.MaxValue);
            }
            else if (json.Is(Duplicate))
            {
                duplicate = json.Boolean();
            }
            else
            {
                json.Skip();
            }
        }

        return new AppendResult(offset, duplicate);
    }

    /// <summary>Writes a record that was read; with its partition where more than one is read.</summary>
    public static void WriteRecord(Utf8JsonWriter json, in StreamRecord record, int? partition)
    {
        json.WriteStartObject();
        if (partition is { } number)
        {
            json.WriteNumber(Partition, number);
        }

        json.WriteNumber(Offset, record.Offset);
        json.WriteString(Timestamp, record.Timestamp);
        if (!record.Key.IsEmpty)
        {
            if (Utf8.IsValid(record.Key.Span))
            {
                json.WriteString(Key, record.Key.Span);
            }
            else
            {
                json.WriteBase64String(KeyBase64, record.Key.Span);
            }
        }

        MessageWire.WriteHeaders(json, record.Headers);
        json.WriteBase64String(Body, record.Body.Span);
        json.WriteEndObject();
    }

    /// <summary>Reads a record that is to be appended, and the partition that its sender wants.</summary>
    public static (StreamRecord Record, int? Partition) ReadNewRecord(ref WireReader json)
    {
        var record = new StreamRecord();
        int? partition = null;
        var (bodies, keys) = (0, 0);
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Body))
            {
                record = record with { Body = json.Base64() };
                bodies++;
            }
            else if (json.Is(WireNames.Text))
            {
                record = record with { Body = Encoding.UTF8.GetBytes(json.Text()) };
                bodies++;
            }
            else if (json.Is(Json))
            {
                record = record with { Body = json.Raw().ToArray() };
                bodies++;
            }
            else if (json.Is(Key))
            {
                record = record with { Key = json.OptionalText() is { } key ? Encoding.UTF8.GetBytes(key) : default };
                keys++;
            }
            else if (json.Is(KeyBase64))
            {
                record = record with { Key = json.Base64() };
                keys++;
            }
            else if (json.Is(Headers))
            {
                record = record with { Headers = MessageWire.ReadHeaders(ref json) };
            }
            else if (json.Is(Timestamp))
            {
                record = record with { Timestamp = json.Time().ToUniversalTime() };
            }
            else if (json.Is(Partition))
            {
                partition = json.IsNull() ? null : json.Number(0, StreamPartitionContext.MaxPartitions - 1);
            }
            else
            {
                json.Unknown(Body, WireNames.Text, Json, Key, KeyBase64, Headers, Timestamp, Partition);
            }
        }

        return bodies > 1 ? throw new WireFormatException("A record has one of the fields 'body' (base64), 'text' and 'json', not several of them.")
            : keys > 1 ? throw new WireFormatException("A record has one of the fields 'key' and 'keyBase64', not both.")
            : (record, partition);
    }

    public static void WriteGroup(Utf8JsonWriter json, string group, IReadOnlyList<StreamGroupPosition> positions)
    {
        json.WriteStartObject();
        json.WriteString(Group, group);
        json.WriteNumber(Lag, positions.Sum(position => position.Lag));
        json.WriteStartArray(Positions);
        foreach (var position in positions)
        {
            json.WriteStartObject();
            json.WriteNumber(Partition, position.Partition);
            json.WriteNumber(Offset, position.Offset);
            json.WriteNumber(EndOffset, position.EndOffset);
            json.WriteNumber(Lag, position.Lag);
            json.WriteString(Owner, position.Owner);
            json.WriteNumber(Epoch, position.Epoch);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteOptional(Utf8JsonWriter json, JsonEncodedText name, long? value)
    {
        if (value is { } number)
        {
            json.WriteNumber(name, number);
        }
        else
        {
            json.WriteNull(name);
        }
    }
}
