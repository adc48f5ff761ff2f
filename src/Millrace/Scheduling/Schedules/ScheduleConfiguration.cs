using System.Buffers;
using System.Collections.Frozen;
using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Millrace.Storage.Http.Wire;

namespace Millrace.Scheduling.Schedules;

/// <summary>
/// Reads schedules from .NET's configuration, where all values are texts, names have no case, and lists are numbered: turns a section into the one JSON form of definitions.
/// </summary>
internal static class ScheduleConfiguration
{
    private const string Arguments = "arguments";

    // Below these, names are the user's own.
    private static readonly FrozenSet<string> Opaque = new[] { Arguments, "json", "metadata", "headers" }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    private static readonly string[] NumberNames =
    [
        "jitterMs", "maxRuns", "count", "graceMs", "timeoutMs", "maxAttempts", "delayMs", "maxDelayMs", "factor", "priority", "version",
    ];

    private static readonly string[] OtherNames =
    [
        "name", "trigger", "job", "message", "queue", "description", "start", "end", "misfire", "overlap", "retry", "track", "tags", "metadata", "enabled",
        "cron", "zone", "every", "anchor", "once", "anyOf", "except", "dates", "annual", "weekdays", "times", "policy", "kind", "retryOn", "failOn",
        Arguments, "argumentsBase64", "contentType", "json", "text", "body", "headers",
    ];

    private static readonly FrozenSet<string> Numbers = NumberNames.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenDictionary<string, string> Spelling =
        NumberNames.Concat(OtherNames).ToFrozenDictionary(name => name, StringComparer.OrdinalIgnoreCase);

    /// <summary>The name of a schedule that says none itself: its section's in lower case, because the environment spells in capitals what a file does not.</summary>
    public static string NameOf(IConfigurationSection section) => section.Key.ToLowerInvariant();

    /// <summary>Reads one schedule, whose name is the section's unless it says another.</summary>
    /// <exception cref="WireFormatException">A field is unknown, or no such value; names the schedule.</exception>
    /// <exception cref="MillraceConfigurationException">A value is out of range, or the trigger is not valid.</exception>
    public static ScheduleDefinition Read(IConfigurationSection section)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            WriteObject(json, section, isOpaque: false);
        }

        try
        {
            var json = new WireReader(buffer.WrittenSpan, isStrict: true);
            return ScheduleJson.Read(ref json, section.GetSection("name").Value is null ? NameOf(section) : null);
        }
        catch (WireFormatException exception)
        {
            throw new MillraceConfigurationException($"The schedule at '{section.Path}' cannot be read: {exception.Message}", exception);
        }
    }

    private static void Write(Utf8JsonWriter json, IConfigurationSection section, bool isOpaque)
    {
        var children = section.GetChildren().ToList();
        if (children.Count == 0)
        {
            WriteText(json, section, isOpaque);
        }
        else if (children.TrueForAll(child => int.TryParse(child.Key, NumberStyles.None, CultureInfo.InvariantCulture, out _)))
        {
            json.WriteStartArray();
            foreach (var child in children.OrderBy(child => int.Parse(child.Key, CultureInfo.InvariantCulture)))
            {
                Write(json, child, isOpaque);
            }

            json.WriteEndArray();
        }
        else
        {
            WriteObject(json, section, isOpaque);
        }
    }

    private static void WriteObject(Utf8JsonWriter json, IConfigurationSection section, bool isOpaque)
    {
        json.WriteStartObject();
        foreach (var child in section.GetChildren())
        {
            json.WritePropertyName(isOpaque ? child.Key : Spelling.GetValueOrDefault(child.Key, child.Key));
            Write(json, child, isOpaque || Opaque.Contains(child.Key));
        }

        json.WriteEndObject();
    }

    private static void WriteText(Utf8JsonWriter json, IConfigurationSection section, bool isOpaque)
    {
        var text = section.Value ?? "";
        if (!isOpaque && Numbers.Contains(section.Key) && decimal.TryParse(text, NumberStyles.Number, CultureInfo.InvariantCulture, out var number))
        {
            json.WriteNumberValue(number);
        }
        else if (!isOpaque && section.Key.Equals("enabled", StringComparison.OrdinalIgnoreCase) && bool.TryParse(text, out var flag))
        {
            json.WriteBooleanValue(flag);
        }
        else if (section.Key.Equals(Arguments, StringComparison.OrdinalIgnoreCase) && IsJson(text))
        {
            // The whole of the arguments in one variable of the environment.
            json.WriteRawValue(text);
        }
        else
        {
            json.WriteStringValue(text);
        }
    }

    private static bool IsJson(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
