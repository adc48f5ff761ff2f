using System.Globalization;
using System.Text;
using System.Text.Json;
using Millrace.Storage;

namespace Millrace.App.Output;

/// <summary>How messages look in tables and in JSON.</summary>
internal static class MessageText
{
    private const int PreviewCharacters = 60;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The beginning of a body on one line, harmless to a terminal.</summary>
    public static string Preview(ReadOnlySpan<byte> body) =>
        Preview(Encoding.UTF8.GetString(body[..Math.Min(body.Length, PreviewCharacters * 4)]));

    /// <summary>The beginning of a text on one line, harmless to a terminal.</summary>
    public static string Preview(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return "-";
        }

        var shown = new StringBuilder(PreviewCharacters + 1);
        foreach (var rune in text.EnumerateRunes())
        {
            if (shown.Length >= PreviewCharacters)
            {
                return shown.Append('…').ToString();
            }

            shown.Append(Rune.IsControl(rune) ? " " : rune.ToString());
        }

        return shown.ToString();
    }

    /// <summary>A time in UTC, to the second.</summary>
    public static string Time(DateTimeOffset? time) => time?.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) ?? "-";

    /// <summary>A number for people.</summary>
    public static string Count(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A duration for people: the two largest units.</summary>
    public static string Duration(TimeSpan? duration) => duration switch
    {
        null => "-",
        { TotalSeconds: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{duration.Value.TotalMilliseconds:0}ms"),
        { TotalMinutes: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{duration.Value.TotalSeconds:0.#}s"),
        { TotalHours: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{duration.Value.Minutes}m{duration.Value.Seconds:00}s"),
        { TotalDays: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{duration.Value.Hours}h{duration.Value.Minutes:00}m"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{(int)duration.Value.TotalDays}d{duration.Value.Hours:00}h"),
    };

    /// <summary>The members that every message has in JSON, wherever it stands.</summary>
    public static void WriteMembers(Utf8JsonWriter json, string queue, Message message)
    {
        json.WriteString("queue", queue);
        json.WriteString("id", message.Id.ToString());
        WriteBody(json, message.Body.Span);
        json.WriteString("contentType", message.ContentType);
        json.WriteString("key", message.Key);
        json.WriteNumber("priority", message.Priority);
        json.WriteStartObject("headers");
        foreach (var (name, value) in message.Headers)
        {
            json.WriteString(name, value);
        }

        json.WriteEndObject();
        json.WriteString("enqueuedAt", message.EnqueuedAt);
        WriteTime(json, "expiresAt", message.ExpiresAt);
        if (message.DeadLetter is not { } dead)
        {
            json.WriteNull("deadLetter");
            return;
        }

        json.WriteStartObject("deadLetter");
        json.WriteString("reason", dead.Reason);
        json.WriteString("lastError", dead.LastError);
        json.WriteNumber("attempts", dead.Attempts);
        json.WriteString("at", dead.At);
        json.WriteEndObject();
    }

    /// <summary>A browsed message in JSON: <see cref="WriteMembers(Utf8JsonWriter, string, Message)"/>, and where it stands.</summary>
    public static void WriteMembers(Utf8JsonWriter json, string queue, BrowsedMessage browsed)
    {
        WriteMembers(json, queue, browsed.Message);
        json.WriteString("state", StateName(browsed.State));
        json.WriteNumber("attempts", browsed.Attempts);
        WriteTime(json, "dueAt", browsed.DueAt);
        json.WriteString("lastError", browsed.LastError);
    }

    public static string StateName(MessageState state) => state switch
    {
        MessageState.Ready => "ready",
        MessageState.Scheduled => "scheduled",
        _ => "leased",
    };

    public static void WriteTime(Utf8JsonWriter json, string name, DateTimeOffset? time)
    {
        if (time is null)
        {
            json.WriteNull(name);
        }
        else
        {
            json.WriteString(name, time.Value);
        }
    }

    private static void WriteBody(Utf8JsonWriter json, ReadOnlySpan<byte> body) => WriteBytes(json, "body", body);

    /// <summary>Bytes as text, or as Base64 in a member of its own. Always both members, so that a reader need not guess which one there is.</summary>
    public static void WriteBytes(Utf8JsonWriter json, string name, ReadOnlySpan<byte> body)
    {
        string? text = null;
        try
        {
            text = StrictUtf8.GetString(body);
        }
        catch (DecoderFallbackException)
        {
            // Not text: shown as Base64.
        }

        json.WriteString(name, text);
        if (text is null)
        {
            json.WriteBase64String(name + "Base64", body);
        }
        else
        {
            json.WriteNull(name + "Base64");
        }
    }
}
