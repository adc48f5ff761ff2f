using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;
using Millrace.Streams;

namespace Millrace.Server.Api;

/// <summary>
/// One message as an HTTP body with header fields: <c>Content-Type</c> is the message's, <c>Millrace-…</c> are its id, key, priority, delay and so on, <c>Millrace-Header-NAME</c> its
/// headers. Values that are no plain ASCII are percent-encoded, both ways.
/// </summary>
internal static class MessageHeaderFields
{
    private const string Prefix = "Millrace-";
    private const string HeaderPrefix = "Millrace-Header-";
    private const string FormType = "application/x-www-form-urlencoded";
    private const string Unknown = "application/octet-stream";

    private const long MaxMilliseconds = 3650L * 24 * 60 * 60 * 1000;

    private static readonly NumberParameter Priority = new("Millrace-Priority", "The priority.", MessagePriority.Default, MessagePriority.Lowest, MessagePriority.Highest);
    private static readonly NumberParameter DelayMs = new("Millrace-Delay-Ms", "How long until it is due, in milliseconds.", 0, 0, MaxMilliseconds);
    private static readonly NumberParameter TtlMs = new("Millrace-Ttl-Ms", "How long it lives, in milliseconds; for ever unless set.", null, 1, MaxMilliseconds);

    private static readonly ChoiceParameter<MessageDurability> Durability = new(
        "Millrace-Durability", "Whether it is as durable as the store says, or not at all.", ("default", MessageDurability.Default), ("none", MessageDurability.None));

    /// <summary>The header fields of a request that carries one message.</summary>
    public static readonly ApiParameter[] Fields =
    [
        new TextParameter("Millrace-Id", "The message's id; assigned by the store unless set."),
        new TextParameter("Millrace-Key", "Messages with the same key are leased one at a time, in order."),
        Priority,
        DelayMs,
        TtlMs,
        Durability,
    ];

    /// <summary>The header fields of a request that carries one record of a stream.</summary>
    public static readonly ApiParameter[] RecordFields = [new TextParameter("Millrace-Key", "The record's key: records with the same key stand in the same partition, in order.")];

    /// <summary>The envelope of a request.</summary>
    /// <exception cref="WireFormatException">A field of the name <c>Millrace-…</c> is unknown or has a wrong value.</exception>
    public static Envelope ReadEnvelope(HttpRequest request, ReadOnlyMemory<byte> body)
    {
        var envelope = new Envelope(body) { ContentType = TypeOf(request) };
        var headers = ReadFields(request, (name, value) => envelope = With(envelope, name, value));
        return headers is null ? envelope : envelope with { Headers = MessageHeaders.Create(headers) };
    }

    /// <summary>The record of a request. Its content type is a header of its own, where it is neither JSON nor just bytes, as with typed producers.</summary>
    /// <exception cref="WireFormatException">A field of the name <c>Millrace-…</c> is unknown or has a wrong value.</exception>
    public static StreamRecord ReadRecord(HttpRequest request, ReadOnlyMemory<byte> body)
    {
        var record = new StreamRecord { Body = body };
        var headers = ReadFields(
            request,
            (name, value) => record = name.Equals("Millrace-Key", StringComparison.OrdinalIgnoreCase)
                ? record with { Key = Encoding.UTF8.GetBytes(value) }
                : throw new WireFormatException($"There is no header field '{ApiCall.Shown(name)}' here; there are Millrace-Key, and Millrace-Header-NAME for the record's own headers."));
        if (TypeOf(request) is { } type && type != Unknown && !StreamContentType.IsJson(type))
        {
            (headers ??= []).Add(new(StreamContentType.Header, type));
        }

        return headers is null ? record : record with { Headers = MessageHeaders.Create(headers) };
    }

    /// <summary>Writes the fields of a message that was leased or looked at.</summary>
    public static void Write(HttpResponse response, Message message)
    {
        var fields = response.Headers;
        fields["Millrace-Id"] = Escape(message.Id.ToString());
        fields["Millrace-Priority"] = message.Priority.ToString(CultureInfo.InvariantCulture);
        fields["Millrace-Enqueued-At"] = message.EnqueuedAt.ToString("O", CultureInfo.InvariantCulture);
        Set("Millrace-Key", message.Key);
        Set("Millrace-Dead-Reason", message.DeadLetter?.Reason);
        Set("Millrace-Dead-Error", message.DeadLetter?.LastError);
        foreach (var header in message.Headers.AsSpan())
        {
            Set(HeaderPrefix + Uri.EscapeDataString(header.Key), header.Value);
        }

        void Set(string name, string? value)
        {
            if (value is not null)
            {
                fields[name] = Escape(value);
            }
        }
    }

    /// <summary>Writes the fields of one lease.</summary>
    public static void Write(HttpResponse response, in Delivery delivery)
    {
        Write(response, delivery.Message);
        var fields = response.Headers;
        fields["Millrace-Attempt"] = delivery.Attempt.ToString(CultureInfo.InvariantCulture);
        if (delivery.Token != default)
        {
            fields["Millrace-Token"] = delivery.Token.ToString();
        }

        if (delivery.Redelivered)
        {
            fields["Millrace-Redelivered"] = "true";
        }
    }

    /// <summary>The content type of an answer that is a message's body. One that cannot stand in a header is not said.</summary>
    public static string ContentTypeOf(Message message) =>
        message.ContentType is { Length: > 0 } type && Ascii.IsValid(type) && !type.AsSpan().ContainsAnyInRange('\0', '\x1f') && !type.Contains('\x7f', StringComparison.Ordinal)
            ? type
            : Unknown;

    // What curl says of every body that it is given by --data is not what its user says of the message.
    private static string? TypeOf(HttpRequest request) =>
        request.ContentType is { } type && !type.StartsWith(FormType, StringComparison.OrdinalIgnoreCase) ? type : null;

    // The message's own headers; every other field of ours goes to the taker.
    private static List<KeyValuePair<string, string>>? ReadFields(HttpRequest request, Action<string, string> take)
    {
        List<KeyValuePair<string, string>>? headers = null;
        foreach (var (name, values) in request.Headers)
        {
            if (!name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }

            var value = Single(name, values);
            if (name.StartsWith(HeaderPrefix, StringComparison.OrdinalIgnoreCase) && name.Length > HeaderPrefix.Length)
            {
                // HTTP does not tell capitals apart, and its later versions send none: whoever means one percent-encodes it.
                (headers ??= []).Add(new(PercentEncoding.Decode(name[HeaderPrefix.Length..].ToLowerInvariant(), "The name of a header field"), value));
            }
            else
            {
                take(name, value);
            }
        }

        return headers;
    }

    private static Envelope With(Envelope envelope, string name, string value) => name.ToUpperInvariant() switch
    {
        "MILLRACE-ID" => envelope with { Id = value },
        "MILLRACE-KEY" => envelope with { Key = value },
        "MILLRACE-PRIORITY" => envelope with { Priority = (int)Number(Priority, value) },
        "MILLRACE-DELAY-MS" => envelope with { Delay = TimeSpan.FromMilliseconds(Number(DelayMs, value)) },
        "MILLRACE-TTL-MS" => envelope with { TimeToLive = TimeSpan.FromMilliseconds(Number(TtlMs, value)) },
        "MILLRACE-DURABILITY" => envelope with
        {
            Durability = Array.IndexOf(Durability.Words, value) is var word and >= 0
                ? Durability.Choices[word].Value
                : throw new WireFormatException($"The header field '{Durability.Name}' must be {string.Join(" or ", Durability.Words)}."),
        },
        _ => throw new WireFormatException(
            $"There is no header field '{(name.Length <= 60 ? name : name[..60] + "…")}'; there are Millrace-Id, -Key, -Priority, -Delay-Ms, -Ttl-Ms, -Durability, and Millrace-Header-NAME for the message's own headers."),
    };

    private static long Number(NumberParameter field, string value) =>
        long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= field.Minimum && number <= field.Maximum
            ? number
            : throw new WireFormatException(
                string.Create(CultureInfo.InvariantCulture, $"The header field '{field.Name}' must be a whole number from {field.Minimum} to {field.Maximum}."));

    private static string Single(string name, StringValues values) => values.Count == 1
        ? PercentEncoding.Decode(values[0] ?? "", $"The header field '{name}'")
        : throw new WireFormatException($"The header field '{name}' stands {values.Count} times.");

    private static string Escape(string value)
    {
        foreach (var c in value)
        {
            if (c is < ' ' or > '~' or '%')
            {
                return Uri.EscapeDataString(value);
            }
        }

        return value;
    }
}
