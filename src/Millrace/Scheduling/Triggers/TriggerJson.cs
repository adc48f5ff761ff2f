using System.Text.Json;

namespace Millrace.Scheduling.Triggers;

/// <summary>
/// Triggers as JSON:
/// <code>
/// {"cron":"0 3 * * *","zone":"Europe/Berlin"}
/// {"every":"00:05:00","anchor":"2027-01-01T00:00:00Z"}
/// {"once":"2027-01-01T00:00:00Z"}
/// {"anyOf":[…]}
/// {"trigger":…,"except":{"zone":…,"dates":["2027-12-24/2027-12-26"],"annual":["12-25"],"weekdays":["SAT"],"times":["22:00-06:00"]}}
/// {"trigger":…,"start":"2027-01-01T00:00:00Z","end":…}
/// </code>
/// A text is read as the text form of <see cref="Trigger.Parse"/>. Fields that are not known are errors.
/// </summary>
internal static class TriggerJson
{
    private const string Fields = "cron and zone; every and anchor; once; anyOf; or trigger with except, start and end";

    public static void Write(Utf8JsonWriter json, Trigger trigger)
    {
        json.WriteStartObject();
        switch (trigger)
        {
            case CronTrigger cron:
                json.WriteString("cron"u8, cron.Expression.ToString());
                WriteZone(json, cron.Zone);
                break;
            case IntervalTrigger every:
                json.WriteString("every"u8, every.Interval.ToString("c"));
                WriteInstant(json, "anchor"u8, every.IsAnchored ? every.Anchor : null);
                break;
            case OnceTrigger once:
                WriteInstant(json, "once"u8, once.At);
                break;
            case UnionTrigger union:
                json.WriteStartArray("anyOf"u8);
                foreach (var part in union.Triggers)
                {
                    Write(json, part);
                }

                json.WriteEndArray();
                break;
            case ExcludingTrigger excluding:
                json.WritePropertyName("trigger"u8);
                Write(json, excluding.Inner);
                json.WritePropertyName("except"u8);
                Write(json, excluding.Calendar);
                break;
            case BoundedTrigger bounded:
                json.WritePropertyName("trigger"u8);
                Write(json, bounded.Inner);
                WriteInstant(json, "start"u8, bounded.Start);
                WriteInstant(json, "end"u8, bounded.End);
                break;
            default:
                throw new InvalidOperationException($"There is no JSON of a {trigger.GetType().Name}.");
        }

        json.WriteEndObject();
    }

    /// <summary>Reads the value at which the reader stands, or before which it stands, to its end.</summary>
    /// <exception cref="InvalidTriggerException">It is no trigger.</exception>
    /// <exception cref="JsonException">It is no JSON.</exception>
    public static Trigger Read(ref Utf8JsonReader json)
    {
        using var document = JsonDocument.ParseValue(ref json);
        return Read(document.RootElement);
    }

    /// <exception cref="InvalidTriggerException">It is no trigger.</exception>
    public static Trigger Read(JsonElement json)
    {
        if (json.ValueKind == JsonValueKind.String)
        {
            return Trigger.Parse(json.GetString()!);
        }

        var fields = new FieldReader(json, $"a trigger, which has {Fields}");
        var trigger =
            fields.Text("cron") is { } cron ? Trigger.Cron(cron, fields.Text("zone"))
            : fields.Text("every") is { } every ? Trigger.Every(ReadInterval(every), fields.Instant("anchor"))
            : fields.Instant("once") is { } once ? Trigger.Once(once)
            : fields.Array("anyOf") is { } parts ? ReadUnion(parts)
            : fields.Any("trigger") is { } inner ? ReadNarrowed(inner, ref fields)
            : throw new InvalidTriggerException($"A trigger has {Fields}, and not none of them.");
        fields.RejectOthers();
        return trigger;
    }

    private static Trigger ReadUnion(JsonElement parts)
    {
        Trigger.RequireFew(parts.GetArrayLength());
        var triggers = new List<Trigger>();
        foreach (var part in parts.EnumerateArray())
        {
            triggers.Add(Read(part));
        }

        return Trigger.AnyOf([.. triggers]);
    }

    private static Trigger ReadNarrowed(JsonElement inner, ref FieldReader fields)
    {
        var trigger = Read(inner);
        if (fields.Any("except") is { } except)
        {
            trigger = trigger.Except(ReadCalendar(except));
        }

        return trigger.Between(fields.Instant("start"), fields.Instant("end"));
    }

    private static TimeSpan ReadInterval(string text) => TriggerDuration.TryParse(text, out var interval, out var fault)
        ? interval
        : throw InvalidTriggerException.In(text, fault, $"an interval is {TriggerDuration.Allowed}, or 00:05:00");

    private static ExclusionCalendar ReadCalendar(JsonElement json)
    {
        var fields = new FieldReader(json, "a calendar, which has zone, dates, annual, weekdays and times");
        var calendar = ExclusionCalendar.In(fields.Text("zone"));
        calendar = ReadAll(calendar, fields.Array("dates"), CalendarText.AddDates, CalendarText.DatesAllowed);
        calendar = ReadAll(calendar, fields.Array("annual"), CalendarText.AddAnnual, CalendarText.AnnualAllowed);
        calendar = ReadAll(calendar, fields.Array("weekdays"), CalendarText.AddWeekday, CalendarText.WeekdaysAllowed);
        calendar = ReadAll(calendar, fields.Array("times"), CalendarText.AddTimes, CalendarText.TimesAllowed);
        fields.RejectOthers();
        return calendar;
    }

    private static ExclusionCalendar ReadAll(ExclusionCalendar calendar, JsonElement? texts, Func<ExclusionCalendar, string, ExclusionCalendar?> add, string allowed)
    {
        if (texts is not { } array)
        {
            return calendar;
        }

        if (array.GetArrayLength() > ExclusionCalendar.MaxStretches)
        {
            throw new InvalidTriggerException(FormattableString.Invariant($"A calendar may have {ExclusionCalendar.MaxStretches} of each, not {array.GetArrayLength()}."));
        }

        foreach (var element in array.EnumerateArray())
        {
            var text = element.ValueKind == JsonValueKind.String ? element.GetString()! : element.GetRawText();
            calendar = add(calendar, text) ?? throw new InvalidTriggerException($"'{InvalidTriggerException.Shown(text)}' in a calendar must be {allowed}.");
        }

        return calendar;
    }

    private static void Write(Utf8JsonWriter json, ExclusionCalendar calendar)
    {
        json.WriteStartObject();
        WriteZone(json, calendar.Zone);
        WriteAll(json, "dates"u8, calendar.Dates.Select(CalendarText.FormatDates));
        WriteAll(json, "annual"u8, calendar.Annual.Select(CalendarText.FormatAnnual));
        WriteAll(json, "weekdays"u8, CalendarText.WeekdaysOf(calendar.Weekdays));
        WriteAll(json, "times"u8, calendar.Times.Select(CalendarText.FormatTimes));
        json.WriteEndObject();
    }

    private static void WriteAll(Utf8JsonWriter json, ReadOnlySpan<byte> name, IEnumerable<string> texts)
    {
        string[] all = [.. texts];
        if (all.Length == 0)
        {
            return;
        }

        json.WriteStartArray(name);
        foreach (var text in all)
        {
            json.WriteStringValue(text);
        }

        json.WriteEndArray();
    }

    private static void WriteZone(Utf8JsonWriter json, ZoneTimeline zone)
    {
        if (zone.Id is { } id)
        {
            json.WriteString("zone"u8, id);
        }
    }

    private static void WriteInstant(Utf8JsonWriter json, ReadOnlySpan<byte> name, DateTimeOffset? instant)
    {
        if (instant is { } given)
        {
            json.WriteString(name, TriggerText.Format(given));
        }
    }

    /// <summary>The fields of an object, each asked for by name and type; what nobody has asked for is refused in the end.</summary>
    private struct FieldReader
    {
        private readonly JsonElement _json;
        private readonly string _owner;
        private readonly int _count;
        private int _read;

        public FieldReader(JsonElement json, string owner)
        {
            if (json.ValueKind != JsonValueKind.Object)
            {
                throw new InvalidTriggerException($"A JSON object was expected for {owner}, not {InvalidTriggerException.Shown(json.GetRawText())}.");
            }

            (_json, _owner) = (json, owner);
            foreach (var field in json.EnumerateObject())
            {
                // A field that is null is one that is not there.
                _count += field.Value.ValueKind == JsonValueKind.Null ? 0 : 1;
            }
        }

        public JsonElement? Any(string name)
        {
            if (!_json.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
            {
                return null;
            }

            _read++;
            return value;
        }

        public string? Text(string name) => Any(name) is not { } value ? null
            : value.ValueKind == JsonValueKind.String ? value.GetString()
            : throw Wrong(name, value, "a text");

        public JsonElement? Array(string name) => Any(name) is not { } value ? null
            : value.ValueKind == JsonValueKind.Array ? value
            : throw Wrong(name, value, "an array");

        public DateTimeOffset? Instant(string name) => Text(name) is not { } text ? null
            : TriggerText.TryParseInstant(text, null, out var instant) ? instant
            : throw new InvalidTriggerException($"'{name}' of a trigger must be an instant such as 2027-01-01T00:00:00Z, not '{InvalidTriggerException.Shown(text)}'.");

        public readonly void RejectOthers()
        {
            if (_read != _count)
            {
                var names = string.Join(", ", _json.EnumerateObject().Select(field => $"'{InvalidTriggerException.Shown(field.Name)}'").Take(10));
                throw new InvalidTriggerException($"The fields {names} are not those, or not each once, of {_owner}.");
            }
        }

        private static InvalidTriggerException Wrong(string name, JsonElement value, string expected) =>
            new($"'{name}' of a trigger must be {expected}, not {InvalidTriggerException.Shown(value.GetRawText())}.");
    }
}
