using System.Text;
using System.Text.Json;
using Millrace.Scheduling.Triggers;
using Millrace.Storage.Http.Wire;

namespace Millrace.Scheduling.Schedules;

/// <summary>Definitions of schedules in JSON: in the state store, in the HTTP API, and in configuration files.</summary>
internal static class ScheduleJson
{
    private static readonly JsonEncodedText Name = JsonEncodedText.Encode("name");
    private static readonly JsonEncodedText TriggerField = JsonEncodedText.Encode("trigger");
    private static readonly JsonEncodedText Job = JsonEncodedText.Encode("job");
    private static readonly JsonEncodedText Message = JsonEncodedText.Encode("message");
    private static readonly JsonEncodedText Queue = JsonEncodedText.Encode("queue");
    private static readonly JsonEncodedText Description = JsonEncodedText.Encode("description");
    private static readonly JsonEncodedText Start = JsonEncodedText.Encode("start");
    private static readonly JsonEncodedText End = JsonEncodedText.Encode("end");
    private static readonly JsonEncodedText JitterMs = JsonEncodedText.Encode("jitterMs");
    private static readonly JsonEncodedText MaxRuns = JsonEncodedText.Encode("maxRuns");
    private static readonly JsonEncodedText Misfire = JsonEncodedText.Encode("misfire");
    private static readonly JsonEncodedText Overlap = JsonEncodedText.Encode("overlap");
    private static readonly JsonEncodedText TimeoutMs = JsonEncodedText.Encode("timeoutMs");
    private static readonly JsonEncodedText Retry = JsonEncodedText.Encode("retry");
    private static readonly JsonEncodedText Track = JsonEncodedText.Encode("track");
    private static readonly JsonEncodedText Priority = JsonEncodedText.Encode("priority");
    private static readonly JsonEncodedText Tags = JsonEncodedText.Encode("tags");
    private static readonly JsonEncodedText Metadata = JsonEncodedText.Encode("metadata");
    private static readonly JsonEncodedText Enabled = JsonEncodedText.Encode("enabled");

    private static readonly JsonEncodedText[] Fields =
    [
        Name, TriggerField, Job, Message, Queue, Description, Start, End, JitterMs, MaxRuns, Misfire, Overlap, TimeoutMs, Retry, Track, Priority, Tags, Metadata, Enabled,
    ];

    /// <summary>Writes a definition as an object; what is as by default is left out.</summary>
    public static void Write(Utf8JsonWriter json, ScheduleDefinition definition)
    {
        json.WriteStartObject();
        json.WriteString(Name, definition.Name);
        WriteFields(json, definition);
        json.WriteEndObject();
    }

    /// <summary>Reads a definition.</summary>
    /// <param name="json">Stands before the object.</param>
    /// <param name="name">The name, where it is not in the object, or must be this one there.</param>
    /// <exception cref="WireFormatException">The JSON is no definition; says where.</exception>
    /// <exception cref="MillraceConfigurationException">A value is out of range, or the trigger is not valid.</exception>
    public static ScheduleDefinition Read(ref WireReader json, string? name = null)
    {
        Trigger? trigger = null;
        ScheduleTarget? target = null;
        var read = new ScheduleDefinition { Name = "", Trigger = null!, Target = null! };
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Name))
            {
                var given = json.Text();
                name = name is null || name == given ? given : throw new WireFormatException($"The definition is of the schedule '{given}', and was given as that of '{name}'.");
            }
            else if (json.Is(TriggerField))
            {
                trigger = ReadTrigger(json.Raw());
            }
            else if (json.Is(Job) || json.Is(Message))
            {
                target = target is not null
                    ? throw new WireFormatException("A schedule has one of the fields 'job' and 'message', not both.")
                    : json.Is(Job) ? ScheduleTargetJson.ReadJob(ref json) : ScheduleTargetJson.ReadMessage(ref json);
            }
            else if (!ReadField(ref json, ref read) && !ReadPolicy(ref json, ref read))
            {
                json.Unknown(Fields);
            }
        }

        return read with
        {
            Name = name ?? throw new WireFormatException("The field 'name' is missing: every schedule has one."),
            Trigger = trigger ?? throw new WireFormatException($"The field 'trigger' of the schedule '{name}' is missing: say when it is due, such as \"trigger\": {{\"cron\": \"0 3 * * *\"}}."),
            Target = target ?? throw new WireFormatException($"The schedule '{name}' does nothing: it needs a field 'job' or 'message'."),
        };
    }

    private static void WriteFields(Utf8JsonWriter json, ScheduleDefinition definition)
    {
        json.WritePropertyName(TriggerField);
        TriggerJson.Write(json, definition.Trigger);
        ScheduleTargetJson.Write(json, definition.Target, Job, Message);
        if (definition.Queue != ScheduleDefinition.DefaultQueue || (definition.Target is MessageTarget && definition.NamesQueue))
        {
            json.WriteString(Queue, definition.Queue);
        }

        if (definition.Description is { } description)
        {
            json.WriteString(Description, description);
        }

        WriteTimes(json, definition);
        SchedulePolicyJson.Write(json, Misfire, definition.Misfire);
        SchedulePolicyJson.Write(json, Overlap, definition.Overlap);
        if (definition.Timeout is { } timeout)
        {
            WireValues.WriteMilliseconds(json, TimeoutMs, timeout);
        }

        if (definition.Retry is { } retry)
        {
            json.WritePropertyName(Retry);
            JobRetryJson.Write(json, retry);
        }

        if (definition.Track)
        {
            json.WriteBoolean(Track, true);
        }

        if (definition.Priority != MessagePriority.Default)
        {
            json.WriteNumber(Priority, definition.Priority);
        }

        WriteLabels(json, definition);
        if (!definition.IsEnabled)
        {
            json.WriteBoolean(Enabled, false);
        }
    }

    private static void WriteTimes(Utf8JsonWriter json, ScheduleDefinition definition)
    {
        if (definition.Start is { } start)
        {
            json.WriteString(Start, start.ToUniversalTime());
        }

        if (definition.End is { } end)
        {
            json.WriteString(End, end.ToUniversalTime());
        }

        if (definition.Jitter != TimeSpan.Zero)
        {
            WireValues.WriteMilliseconds(json, JitterMs, definition.Jitter);
        }

        if (definition.MaxRuns is { } maxRuns)
        {
            json.WriteNumber(MaxRuns, maxRuns);
        }
    }

    private static void WriteLabels(Utf8JsonWriter json, ScheduleDefinition definition)
    {
        if (definition.Tags.Count > 0)
        {
            json.WriteStartArray(Tags);
            foreach (var tag in definition.Tags)
            {
                json.WriteStringValue(tag);
            }

            json.WriteEndArray();
        }

        if (definition.Metadata.Count > 0)
        {
            json.WriteStartObject(Metadata);
            // In an order of their own: that of a dictionary may differ from process to process, and would make a change of it.
            foreach (var (key, value) in definition.Metadata.OrderBy(entry => entry.Key, StringComparer.Ordinal))
            {
                json.WriteString(key, value);
            }

            json.WriteEndObject();
        }
    }

    private static bool ReadField(ref WireReader json, ref ScheduleDefinition read)
    {
        if (json.Is(Queue))
        {
            read = read with { Queue = json.Text() };
        }
        else if (json.Is(Description))
        {
            read = read with { Description = json.OptionalText() };
        }
        else if (json.Is(Start))
        {
            read = read with { Start = json.IsNull() ? null : json.Time().ToUniversalTime() };
        }
        else if (json.Is(End))
        {
            read = read with { End = json.IsNull() ? null : json.Time().ToUniversalTime() };
        }
        else if (json.Is(JitterMs))
        {
            read = read with { Jitter = json.Milliseconds() };
        }
        else if (json.Is(MaxRuns))
        {
            read = read with { MaxRuns = json.IsNull() ? null : json.Number(long.MinValue, long.MaxValue) };
        }
        else if (json.Is(Tags))
        {
            read = read with { Tags = ReadTags(ref json) };
        }
        else if (json.Is(Metadata))
        {
            read = read with { Metadata = ReadMetadata(ref json) };
        }
        else
        {
            return false;
        }

        return true;
    }

    private static bool ReadPolicy(ref WireReader json, ref ScheduleDefinition read)
    {
        if (json.Is(Misfire))
        {
            read = read with { Misfire = SchedulePolicyJson.ReadMisfire(ref json) };
        }
        else if (json.Is(Overlap))
        {
            read = read with { Overlap = SchedulePolicyJson.ReadOverlap(ref json) };
        }
        else if (json.Is(TimeoutMs))
        {
            read = read with { Timeout = json.IsNull() ? null : json.Milliseconds() };
        }
        else if (json.Is(Retry))
        {
            read = read with { Retry = JobRetryJson.Read(ref json) };
        }
        else if (json.Is(Track))
        {
            read = read with { Track = json.Boolean() };
        }
        else if (json.Is(Priority))
        {
            read = read with { Priority = json.Number(int.MinValue, int.MaxValue) };
        }
        else if (json.Is(Enabled))
        {
            read = read with { IsEnabled = json.Boolean() };
        }
        else
        {
            return false;
        }

        return true;
    }

    /// <summary>A trigger is an object, or a text: <c>"0 3 * * *"</c>, <c>"every 5m"</c>.</summary>
    private static Trigger ReadTrigger(ReadOnlySpan<byte> raw)
    {
        using var document = JsonDocument.Parse(Encoding.UTF8.GetString(raw));
        try
        {
            return TriggerJson.Read(document.RootElement);
        }
        catch (InvalidOperationException exception)
        {
            throw new WireFormatException("The field 'trigger' is no valid text: half a surrogate pair has no UTF-8 form.", exception);
        }
    }

    private static List<string> ReadTags(ref WireReader json)
    {
        var tags = new List<string>();
        json.BeginArray();
        while (json.NextElement())
        {
            tags.Add(json.Text());
        }

        return tags;
    }

    private static Dictionary<string, string> ReadMetadata(ref WireReader json)
    {
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        json.BeginObject();
        while (json.NextField())
        {
            var key = json.FieldName();
            metadata[key] = json.Text();
        }

        return metadata;
    }
}
