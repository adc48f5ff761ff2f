using System.Text.Json;
using static Millrace.Storage.Http.Wire.WireNames;

namespace Millrace.Storage.Http.Wire;

/// <summary>Settings, counts and filters of queues in JSON.</summary>
internal static class QueueWire
{
    public static void WriteSettings(Utf8JsonWriter json, QueueSettings settings)
    {
        json.WriteStartObject();
        json.WriteNumber(MaxDeliveries, settings.MaxDeliveries);
        json.WriteNumber(MaxLength, settings.MaxLength);
        if (settings.MaxBytes is { } maxBytes)
        {
            json.WriteNumber(MaxBytes, maxBytes);
        }
        else
        {
            json.WriteNull(MaxBytes);
        }

        json.WriteString(Overflow, settings.Overflow == QueueOverflow.DropOldest ? DropOldest : Refuse);
        json.WriteBoolean(DeadLetterExpired, settings.DeadLetterExpired);
        if (settings.DeleteAfterIdle is { } idle)
        {
            WireValues.WriteMilliseconds(json, DeleteAfterIdleMs, idle);
        }
        else
        {
            json.WriteNull(DeleteAfterIdleMs);
        }

        WireValues.WriteMilliseconds(json, DedupWindowMs, settings.DedupWindow);
        json.WriteNumber(DedupMaxEntries, settings.DedupMaxEntries);
        json.WriteEndObject();
    }

    /// <summary>Reads settings; what is not named is as by default.</summary>
    public static QueueSettings ReadSettings(ref WireReader json)
    {
        var settings = QueueSettings.Default;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(MaxDeliveries))
            {
                settings = settings with { MaxDeliveries = json.Number(int.MinValue, int.MaxValue) };
            }
            else if (json.Is(MaxLength))
            {
                settings = settings with { MaxLength = json.Number(long.MinValue, long.MaxValue) };
            }
            else if (json.Is(MaxBytes))
            {
                settings = settings with { MaxBytes = json.IsNull() ? null : json.Number(long.MinValue, long.MaxValue) };
            }
            else if (json.Is(Overflow))
            {
                settings = settings with { Overflow = json.Choice((Refuse, QueueOverflow.Refuse), (DropOldest, QueueOverflow.DropOldest)) };
            }
            else if (json.Is(DeadLetterExpired))
            {
                settings = settings with { DeadLetterExpired = json.Boolean() };
            }
            else if (json.Is(DeleteAfterIdleMs))
            {
                settings = settings with { DeleteAfterIdle = json.IsNull() ? null : json.Milliseconds() };
            }
            else if (json.Is(DedupWindowMs))
            {
                settings = settings with { DedupWindow = json.Milliseconds() };
            }
            else if (json.Is(DedupMaxEntries))
            {
                settings = settings with { DedupMaxEntries = json.Number(int.MinValue, int.MaxValue) };
            }
            else
            {
                json.Unknown(MaxDeliveries, MaxLength, MaxBytes, Overflow, DeadLetterExpired, DeleteAfterIdleMs, DedupWindowMs, DedupMaxEntries);
            }
        }

        return settings;
    }

    public static void WriteStats(Utf8JsonWriter json, QueueStats stats)
    {
        json.WriteStartObject();
        json.WriteNumber(Ready, stats.Ready);
        json.WriteNumber(Scheduled, stats.Scheduled);
        json.WriteNumber(Leased, stats.Leased);
        json.WriteNumber(Dead, stats.Dead);
        json.WriteNumber(Bytes, stats.Bytes);
        if (stats.OldestReadyAge is { } age)
        {
            WireValues.WriteMilliseconds(json, OldestReadyAgeMs, age);
        }
        else
        {
            json.WriteNull(OldestReadyAgeMs);
        }

        json.WriteNumber(Enqueued, stats.Enqueued);
        json.WriteNumber(Completed, stats.Completed);
        json.WriteNumber(Duplicates, stats.Duplicates);
        json.WriteNumber(Expired, stats.Expired);
        json.WriteNumber(Dropped, stats.Dropped);
        json.WriteNumber(DeadLettered, stats.DeadLettered);
        json.WriteNumber(DedupEvictions, stats.DedupEvictions);
        json.WriteEndObject();
    }

    public static QueueStats ReadStats(ref WireReader json)
    {
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        TimeSpan? age = null;
        json.BeginObject();
        while (json.NextField())
        {
            var name = json.FieldName();
            if (name == OldestReadyAgeMs.Value)
            {
                age = json.IsNull() ? null : json.Milliseconds();
            }
            else
            {
                counts[name] = json.Number(0, long.MaxValue);
            }
        }

        return new QueueStats
        {
            Ready = Of(Ready),
            Scheduled = Of(Scheduled),
            Leased = Of(Leased),
            Dead = Of(Dead),
            Bytes = Of(Bytes),
            OldestReadyAge = age,
            Enqueued = Of(Enqueued),
            Completed = Of(Completed),
            Duplicates = Of(Duplicates),
            Expired = Of(Expired),
            Dropped = Of(Dropped),
            DeadLettered = Of(DeadLettered),
            DedupEvictions = Of(DedupEvictions),
        };

        long Of(JsonEncodedText name) => counts.GetValueOrDefault(name.Value);
    }

    public static void WriteFilter(Utf8JsonWriter json, DeadLetterFilter filter)
    {
        json.WriteStartObject();
        if (!filter.Id.IsEmpty)
        {
            MessageWire.WriteId(json, Id, filter.Id);
        }

        MessageWire.WriteOptional(json, Reason, filter.Reason);
        MessageWire.WriteOptional(json, ErrorContains, filter.ErrorContains);
        if (filter.Since is { } since)
        {
            json.WriteString(Since, since);
        }

        if (filter.Limit is { } limit)
        {
            json.WriteNumber(Limit, limit);
        }

        json.WriteEndObject();
    }

    public static DeadLetterFilter ReadFilter(ref WireReader json)
    {
        var filter = DeadLetterFilter.All;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Id))
            {
                filter = filter with { Id = json.Text() };
            }
            else if (json.Is(Reason))
            {
                filter = filter with { Reason = json.OptionalText() };
            }
            else if (json.Is(ErrorContains))
            {
                filter = filter with { ErrorContains = json.OptionalText() };
            }
            else if (json.Is(Since))
            {
                filter = filter with { Since = json.IsNull() ? null : json.Time() };
            }
            else if (json.Is(Limit))
            {
                filter = filter with { Limit = json.IsNull() ? null : json.Number(0, long.MaxValue) };
            }
            else
            {
                json.Unknown(Id, Reason, ErrorContains, Since, Limit);
            }
        }

        return filter;
    }
}
