using System.Text.Json;
using static Millrace.Storage.Http.Wire.WireNames;

namespace Millrace.Storage.Http.Wire;

/// <summary>Messages of channels in JSON: data of server-sent events, and elements of a history.</summary>
internal static class ChannelMessageWire
{
    public static void Write(Utf8JsonWriter json, ChannelMessage message)
    {
        Span<char> id = stackalloc char[48];
        json.WriteStartObject();
        message.Id.Major.TryFormat(id, out var length, default, System.Globalization.CultureInfo.InvariantCulture);
        id[length++] = '-';
        message.Id.Minor.TryFormat(id[length..], out var minor, default, System.Globalization.CultureInfo.InvariantCulture);
        json.WriteString(Id, id[..(length + minor)]);
        if (message.IsGap)
        {
            json.WriteBoolean(Gap, true);
        }
        else
        {
            json.WriteString(Topic, message.Topic);
            MessageWire.WriteOptional(json, ContentType, message.ContentType);
            MessageWire.WriteHeaders(json, message.Headers);
            json.WriteString(PublishedAt, message.PublishedAt);
            json.WriteBase64String(Body, message.Body.Span);
        }

        json.WriteEndObject();
    }

    public static ChannelMessage Read(ref WireReader json)
    {
        ChannelMessageId id = default;
        var (topic, body, isGap) = ("", Array.Empty<byte>(), false);
        string? contentType = null;
        var headers = MessageHeaders.Empty;
        DateTimeOffset publishedAt = default;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Id))
            {
                id = ReadId(ref json);
            }
            else if (json.Is(Gap))
            {
                isGap = json.Boolean();
            }
            else if (json.Is(Topic))
            {
                topic = json.Text();
            }
            else if (json.Is(ContentType))
            {
                contentType = json.Text();
            }
            else if (json.Is(Headers))
            {
                headers = MessageWire.ReadHeaders(ref json);
            }
            else if (json.Is(PublishedAt))
            {
                publishedAt = json.Time();
            }
            else if (json.Is(Body))
            {
                body = json.Base64();
            }
            else
            {
                json.Skip();
            }
        }

        return new ChannelMessage { Id = id, Topic = topic, Body = body, ContentType = contentType, Headers = headers, PublishedAt = publishedAt, IsGap = isGap };
    }

    public static ChannelMessageId ReadId(ref WireReader json) =>
        ChannelMessageId.TryParse(json.Text(), null, out var id) ? id : throw new WireFormatException("The id of a channel message is two decimal numbers with a hyphen between.");
}
