using System.Buffers;
using System.Text.Json;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;

namespace Millrace.Scheduling.Schedules;

/// <summary>The documents of schedules as bytes: JSON, with times in milliseconds since 1970. Fields of a later version are passed over.</summary>
internal static class ScheduleDocuments
{
    private static readonly JsonEncodedText Definition = JsonEncodedText.Encode("definition");
    private static readonly JsonEncodedText Version = JsonEncodedText.Encode("version");
    private static readonly JsonEncodedText FirstVersion = JsonEncodedText.Encode("firstVersion");
    private static readonly JsonEncodedText Since = JsonEncodedText.Encode("since");
    private static readonly JsonEncodedText CreatedAt = JsonEncodedText.Encode("createdAt");
    private static readonly JsonEncodedText Source = JsonEncodedText.Encode("source");
    private static readonly JsonEncodedText PausedAt = JsonEncodedText.Encode("pausedAt");
    private static readonly JsonEncodedText OrphanedAt = JsonEncodedText.Encode("orphanedAt");
    private static readonly JsonEncodedText Count = JsonEncodedText.Encode("count");
    private static readonly JsonEncodedText Names = JsonEncodedText.Encode("names");

    public static byte[] Write(ScheduleDocument schedule)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteNumber(Version, schedule.Version);
            if (schedule.FirstVersion != FirstVersionOf(schedule.Version, schedule.Since, schedule.CreatedAt))
            {
                json.WriteNumber(FirstVersion, schedule.FirstVersion);
            }

            json.WriteNumber(Since, schedule.Since.ToUnixTimeMilliseconds());
            WriteTime(json, CreatedAt, schedule.CreatedAt == schedule.Since ? null : schedule.CreatedAt);
            json.WriteString(Source, schedule.Source);
            WriteTime(json, PausedAt, schedule.PausedAt);
            WriteTime(json, OrphanedAt, schedule.OrphanedAt);
            json.WritePropertyName(Definition);
            ScheduleJson.Write(json, schedule.Definition);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    public static byte[] Write(CursorDocument cursor)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            CursorJson.Write(json, cursor);
        }

        return buffer.WrittenSpan.ToArray();
    }

    public static byte[] Write(ScheduleChanges changes)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteNumber(Count, changes.Count);
            json.WriteStartArray(Names);
            foreach (var name in changes.Names)
            {
                json.WriteStringValue(name);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    public static ScheduleDocument ReadSchedule(StateDocument document)
    {
        try
        {
            return ReadSchedule(document.Value.Span);
        }
        catch (Exception exception) when (exception is WireFormatException or MillraceConfigurationException)
        {
            throw Unreadable(document, exception);
        }
    }

    /// <summary>Where a schedule comes from, without reading the rest of it; null when it cannot be read.</summary>
    public static string? SourceOf(StateDocument document)
    {
        try
        {
            var json = new WireReader(document.Value.Span, isStrict: false);
            json.BeginObject();
            while (json.NextField())
            {
                if (json.Is(Source))
                {
                    return json.Text();
                }

                json.Skip();
            }
        }
        catch (WireFormatException)
        {
            // The nodes report it.
        }

        return null;
    }

    public static CursorDocument ReadCursor(StateDocument document)
    {
        try
        {
            var json = new WireReader(document.Value.Span, isStrict: false);
            return CursorJson.Read(ref json);
        }
        catch (WireFormatException exception)
        {
            throw Unreadable(document, exception);
        }
    }

    public static ScheduleChanges ReadChanges(StateDocument document)
    {
        try
        {
            return ReadChanges(document.Value.Span);
        }
        catch (WireFormatException exception)
        {
            throw Unreadable(document, exception);
        }
    }

    private static ScheduleDocument ReadSchedule(ReadOnlySpan<byte> utf8)
    {
        ScheduleDefinition? definition = null;
        var (version, since, source) = (0L, default(DateTimeOffset), "");
        long? firstVersion = null;
        DateTimeOffset? createdAt = null;
        DateTimeOffset? pausedAt = null;
        DateTimeOffset? orphanedAt = null;
        var json = new WireReader(utf8, isStrict: false);
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Version))
            {
                version = json.Number(0, long.MaxValue);
            }
            else if (json.Is(FirstVersion))
            {
                firstVersion = json.Number(0, long.MaxValue);
            }
            else if (json.Is(Since))
            {
                since = ReadTime(ref json);
            }
            else if (json.Is(CreatedAt))
            {
                createdAt = ReadTime(ref json);
            }
            else if (json.Is(Source))
            {
                source = json.Text();
            }
            else if (json.Is(PausedAt))
            {
                pausedAt = ReadTime(ref json);
            }
            else if (json.Is(OrphanedAt))
            {
                orphanedAt = ReadTime(ref json);
            }
            else if (json.Is(Definition))
            {
                definition = ScheduleJson.Read(ref json);
            }
            else
            {
                json.Skip();
            }
        }

        return new ScheduleDocument
        {
            Definition = definition ?? throw new WireFormatException("The field 'definition' is missing."),
            Version = version,
            FirstVersion = firstVersion ?? FirstVersionOf(version, since, createdAt ?? since),
            Since = since,
            CreatedAt = createdAt ?? since,
            Source = source,
            PausedAt = pausedAt,
            OrphanedAt = orphanedAt,
        };
    }

    private static ScheduleChanges ReadChanges(ReadOnlySpan<byte> utf8)
    {
        var count = 0L;
        var names = new List<string>();
        var json = new WireReader(utf8, isStrict: false);
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Count))
            {
                count = json.Number(0, long.MaxValue);
            }
            else if (json.Is(Names))
            {
                json.BeginArray();
                while (json.NextElement())
                {
                    names.Add(json.Text());
                }
            }
            else
            {
                json.Skip();
            }
        }

        return new ScheduleChanges(count, names);
    }

    /// <summary>The first version of a schedule that does not say it: one that has not been changed since it was created has had no other.</summary>
    private static long FirstVersionOf(long version, DateTimeOffset since, DateTimeOffset createdAt) => since == createdAt ? version : 0;

    /// <summary>A time in milliseconds since 1970.</summary>
    internal static DateTimeOffset ReadTime(ref WireReader json) =>
        DateTimeOffset.FromUnixTimeMilliseconds(json.Number(DateTimeOffset.MinValue.ToUnixTimeMilliseconds(), DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()));

    internal static void WriteTime(Utf8JsonWriter json, JsonEncodedText field, DateTimeOffset? time)
    {
        if (time is { } value)
        {
            json.WriteNumber(field, value.ToUnixTimeMilliseconds());
        }
    }

    private static StorageCorruptException Unreadable(StateDocument document, Exception exception) =>
        new($"The state document '{document.Key}' cannot be read: {exception.Message}", exception);
}
