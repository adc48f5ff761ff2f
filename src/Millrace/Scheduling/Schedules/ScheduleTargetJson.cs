using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Millrace.Serialization;
using Millrace.Storage.Http.Wire;

namespace Millrace.Scheduling.Schedules;

/// <summary>What schedules do, in JSON. Arguments and bodies that are JSON or text stand there as such, others in base64.</summary>
internal static class ScheduleTargetJson
{
    private static readonly JsonEncodedText Name = JsonEncodedText.Encode("name");
    private static readonly JsonEncodedText Version = JsonEncodedText.Encode("version");
    private static readonly JsonEncodedText Arguments = JsonEncodedText.Encode("arguments");
    private static readonly JsonEncodedText ArgumentsBase64 = JsonEncodedText.Encode("argumentsBase64");
    private static readonly JsonEncodedText ContentType = JsonEncodedText.Encode("contentType");
    private static readonly JsonEncodedText Json = JsonEncodedText.Encode("json");
    private static readonly JsonEncodedText TextField = JsonEncodedText.Encode("text");
    private static readonly JsonEncodedText Body = JsonEncodedText.Encode("body");
    private static readonly JsonEncodedText Headers = JsonEncodedText.Encode("headers");

    // Documents may be nested a little deeper than that.
    private const int MaxDepth = 32;

    public static void Write(Utf8JsonWriter json, ScheduleTarget target, JsonEncodedText jobField, JsonEncodedText messageField)
    {
        switch (target)
        {
            case JobTarget job:
                json.WriteStartObject(jobField);
                WriteJob(json, job);
                break;
            case MessageTarget message:
                json.WriteStartObject(messageField);
                WriteMessage(json, message);
                break;
        }

        json.WriteEndObject();
    }

    public static JobTarget ReadJob(ref WireReader json)
    {
        var target = new JobTarget { Job = "" };
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Name))
            {
                target = target with { Job = json.Text() };
            }
            else if (json.Is(Version))
            {
                target = target with { Version = json.Number(1, int.MaxValue) };
            }
            else if (json.Is(Arguments))
            {
                target = target with { Arguments = json.Raw().ToArray() };
            }
            else if (json.Is(ArgumentsBase64))
            {
                target = target with { Arguments = json.Base64() };
            }
            else if (json.Is(ContentType))
            {
                target = target with { ContentType = json.Text() };
            }
            else
            {
                json.Unknown(Name, Version, Arguments, ArgumentsBase64, ContentType);
            }
        }

        return target.Job.Length > 0 ? target : throw new WireFormatException("The field 'name' of the job is missing.");
    }

    public static MessageTarget ReadMessage(ref WireReader json)
    {
        var target = new MessageTarget();
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Json))
            {
                target = target with { Body = json.Raw().ToArray(), ContentType = target.ContentType ?? JsonMessageSerializer.MediaType };
            }
            else if (json.Is(TextField))
            {
                target = target with { Body = Encoding.UTF8.GetBytes(json.Text()), ContentType = target.ContentType ?? "text/plain" };
            }
            else if (json.Is(Body))
            {
                target = target with { Body = json.Base64() };
            }
            else if (json.Is(ContentType))
            {
                target = target with { ContentType = json.OptionalText() };
            }
            else if (json.Is(Headers))
            {
                target = target with { Headers = MessageWire.ReadHeaders(ref json) ?? MessageHeaders.Empty };
            }
            else
            {
                json.Unknown(Json, TextField, Body, ContentType, Headers);
            }
        }

        return target;
    }

    private static void WriteJob(Utf8JsonWriter json, JobTarget job)
    {
        json.WriteString(Name, job.Job);
        if (job.Version != 1)
        {
            json.WriteNumber(Version, job.Version);
        }

        if (job.ContentType == JsonMessageSerializer.MediaType && IsJson(job.Arguments.Span))
        {
            json.WritePropertyName(Arguments);
            json.WriteRawValue(job.Arguments.Span, skipInputValidation: true);
            return;
        }

        json.WriteBase64String(ArgumentsBase64, job.Arguments.Span);
        json.WriteString(ContentType, job.ContentType);
    }

    private static void WriteMessage(Utf8JsonWriter json, MessageTarget message)
    {
        var body = message.Body.Span;
        if (message.ContentType == JsonMessageSerializer.MediaType && IsJson(body))
        {
            json.WritePropertyName(Json);
            json.WriteRawValue(body, skipInputValidation: true);
        }
        else if (message.ContentType == "text/plain" && Utf8.IsValid(body))
        {
            json.WriteString(TextField, body);
        }
        else
        {
            json.WriteBase64String(Body, body);
            json.WriteString(ContentType, message.ContentType);
        }

        if (message.Headers.Count > 0)
        {
            MessageWire.WriteHeaders(json, message.Headers);
        }
    }

    /// <summary>Whether bytes can stand in a document as they are, and are read from it as they are.</summary>
    private static bool IsJson(ReadOnlySpan<byte> bytes)
    {
        if (!Utf8.IsValid(bytes) || bytes.IsEmpty || char.IsWhiteSpace((char)bytes[0]) || char.IsWhiteSpace((char)bytes[^1]))
        {
            return false;
        }

        var reader = new Utf8JsonReader(bytes, new JsonReaderOptions { MaxDepth = MaxDepth });
        try
        {
            return reader.Read() && reader.TrySkip() && !reader.Read();
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
