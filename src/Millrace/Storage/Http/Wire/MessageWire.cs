using System.Text;
using System.Text.Json;
using static Millrace.Storage.Http.Wire.WireNames;

namespace Millrace.Storage.Http.Wire;

/// <summary>Messages in JSON: envelopes on their way in, deliveries and browsed messages on their way out. Bodies are base64, as JSON has no bytes.</summary>
internal static class MessageWire
{
    private const string PlainText = "text/plain; charset=utf-8";
    private const string JsonType = "application/json";

    /// <summary>Writes an envelope; what is as by default is left out.</summary>
    public static void WriteEnvelope(Utf8JsonWriter json, in Envelope envelope)
    {
        json.WriteStartObject();
        if (!envelope.Id.IsEmpty)
        {
            WriteId(json, Id, envelope.Id);
        }

        WriteOptional(json, ContentType, envelope.ContentType);
        WriteHeaders(json, envelope.Headers);
        WriteOptional(json, Key, envelope.Key);
        if (envelope.Priority != MessagePriority.Default)
        {
            json.WriteNumber(Priority, envelope.Priority);
        }

        if (envelope.Delay != TimeSpan.Zero)
        {
            WireValues.WriteMilliseconds(json, DelayMs, envelope.Delay);
        }

        if (envelope.TimeToLive is { } timeToLive)
        {
            WireValues.WriteMilliseconds(json, TtlMs, timeToLive);
        }

        if (envelope.Durability == MessageDurability.None)
        {
            json.WriteString(Durability, None);
        }

        json.WriteBase64String(Body, envelope.Body.Span);
        json.WriteEndObject();
    }

    /// <summary>Reads an envelope. People may write <c>text</c> or <c>json</c> instead of <c>body</c>.</summary>
    public static Envelope ReadEnvelope(ref WireReader json)
    {
        var envelope = new Envelope(default);
        var bodies = 0;
        string? impliedType = null;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Body))
            {
                envelope = envelope with { Body = json.Base64() };
                bodies++;
            }
            else if (json.Is(Text))
            {
                envelope = envelope with { Body = Encoding.UTF8.GetBytes(json.Text()) };
                impliedType = PlainText;
                bodies++;
            }
            else if (json.Is(Json))
            {
                envelope = envelope with { Body = json.Raw().ToArray() };
                impliedType = JsonType;
                bodies++;
            }
            else if (!TryReadWish(ref json, ref envelope))
            {
                json.Unknown(Body, Text, Json, Id, ContentType, Headers, Key, Priority, DelayMs, TtlMs, Durability);
            }
        }

        return bodies > 1
            ? throw new WireFormatException("A message has one of the fields 'body' (base64), 'text' and 'json', not several of them.")
            : envelope.ContentType is null ? envelope with { ContentType = impliedType } : envelope;
    }

    /// <summary>Writes one lease of one message.</summary>
    public static void WriteDelivery(Utf8JsonWriter json, in Delivery delivery)
    {
        json.WriteStartObject();
        if (delivery.Token != default)
        {
            WireValues.WriteToken(json, Token, delivery.Token);
        }

        json.WriteNumber(Attempt, delivery.Attempt);
        if (delivery.Redelivered)
        {
            json.WriteBoolean(Redelivered, true);
        }

        WriteMessage(json, delivery.Message);
        json.WriteEndObject();
    }

    public static Delivery ReadDelivery(ref WireReader json)
    {
        var message = new MessageFields();
        LeaseToken token = default;
        var attempt = 0;
        var redelivered = false;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Token))
            {
                token = json.Token();
            }
            else if (json.Is(Attempt))
            {
                attempt = json.Number(0, int.MaxValue);
            }
            else if (json.Is(Redelivered))
            {
                redelivered = json.Boolean();
            }
            else if (!message.TryRead(ref json))
            {
                json.Skip();
            }
        }

        return new Delivery { Message = message.ToMessage(), Token = token, Attempt = attempt, Redelivered = redelivered };
    }

    /// <summary>Writes a message with what its queue knows of it.</summary>
    public static void WriteBrowsed(Utf8JsonWriter json, BrowsedMessage browsed)
    {
        json.WriteStartObject();
        json.WriteString(State, StateWord(browsed.State));
        json.WriteNumber(Attempts, browsed.Attempts);
        if (browsed.DueAt is { } dueAt)
        {
            json.WriteString(DueAt, dueAt);
        }

        WriteOptional(json, LastError, browsed.LastError);
        WriteMessage(json, browsed.Message);
        json.WriteEndObject();
    }

    public static BrowsedMessage ReadBrowsed(ref WireReader json)
    {
        var message = new MessageFields();
        MessageState state = default;
        var attempts = 0;
        DateTimeOffset? dueAt = null;
        string? lastError = null;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(State))
            {
                state = ReadState(ref json);
            }
            else if (json.Is(Attempts))
            {
                attempts = json.Number(0, int.MaxValue);
            }
            else if (json.Is(DueAt))
            {
                dueAt = json.Time();
            }
            else if (json.Is(LastError))
            {
                lastError = json.Text();
            }
            else if (!message.TryRead(ref json))
            {
                json.Skip();
            }
        }

        return new BrowsedMessage(message.ToMessage(), state, attempts, dueAt, lastError);
    }

    /// <summary>The word of a state, in JSON and in query strings.</summary>
    public static JsonEncodedText StateWord(MessageState state) => state switch
    {
        MessageState.Scheduled => Scheduled,
        MessageState.Leased => Leased,
        _ => Ready,
    };

    public static void WriteHeaders(Utf8JsonWriter json, MessageHeaders? headers)
    {
        if (headers is not { Count: > 0 })
        {
            return;
        }

        json.WriteStartObject(Headers);
        foreach (var header in headers.AsSpan())
        {
            json.WriteString(header.Key, header.Value);
        }

        json.WriteEndObject();
    }

    public static MessageHeaders ReadHeaders(ref WireReader json)
    {
        List<KeyValuePair<string, string>> headers = [];
        json.BeginObject();
        while (json.NextField())
        {
            var name = json.FieldName();
            if (name.Length == 0)
            {
                throw new WireFormatException("A header has an empty name.");
            }

            headers.Add(new(name, json.Text()));
        }

        return headers.Count == 0 ? MessageHeaders.Empty : MessageHeaders.Create(headers);
    }

    public static void WriteId(Utf8JsonWriter json, JsonEncodedText name, MessageId id)
    {
        if (id.TryGetUuid(out var uuid))
        {
            json.WriteString(name, uuid);
        }
        else
        {
            json.WriteString(name, id.ToString());
        }
    }

    public static void WriteOptional(Utf8JsonWriter json, JsonEncodedText name, string? value)
    {
        if (value is not null)
        {
            json.WriteString(name, value);
        }
    }

    private static MessageState ReadState(ref WireReader json) =>
        json.Choice((Ready, MessageState.Ready), (Scheduled, MessageState.Scheduled), (Leased, MessageState.Leased));

    private static bool TryReadWish(ref WireReader json, ref Envelope envelope)
    {
        if (json.Is(Id))
        {
            envelope = envelope with { Id = json.Text() };
        }
        else if (json.Is(ContentType))
        {
            envelope = envelope with { ContentType = json.OptionalText() };
        }
        else if (json.Is(Headers))
        {
            envelope = envelope with { Headers = ReadHeaders(ref json) };
        }
        else if (json.Is(Key))
        {
            envelope = envelope with { Key = json.OptionalText() };
        }
        else if (json.Is(Priority))
        {
            envelope = envelope with { Priority = json.Number(int.MinValue / 2, int.MaxValue / 2) };
        }
        else if (json.Is(DelayMs))
        {
            envelope = envelope with { Delay = json.Milliseconds() };
        }
        else if (json.Is(TtlMs))
        {
            envelope = envelope with { TimeToLive = json.Milliseconds() };
        }
        else if (json.Is(Durability))
        {
            envelope = envelope with { Durability = json.Choice((None, MessageDurability.None), (Default, MessageDurability.Default)) };
        }
        else
        {
            return false;
        }

        return true;
    }

    private static void WriteMessage(Utf8JsonWriter json, Message message)
    {
        WriteId(json, Id, message.Id);
        WriteOptional(json, ContentType, message.ContentType);
        WriteHeaders(json, message.Headers);
        WriteOptional(json, Key, message.Key);
        if (message.Priority != MessagePriority.Default)
        {
            json.WriteNumber(Priority, message.Priority);
        }

        json.WriteString(EnqueuedAt, message.EnqueuedAt);
        if (message.ExpiresAt is { } expiresAt)
        {
            json.WriteString(ExpiresAt, expiresAt);
        }

        if (message.DeadLetter is { } dead)
        {
            json.WriteStartObject(DeadLetter);
            json.WriteString(Reason, dead.Reason);
            WriteOptional(json, LastError, dead.LastError);
            json.WriteNumber(Attempts, dead.Attempts);
            json.WriteString(At, dead.At);
            json.WriteEndObject();
        }

        json.WriteBase64String(Body, message.Body.Span);
    }

    /// <summary>The fields of a message while it is being read.</summary>
    private struct MessageFields()
    {
        private MessageId _id;
        private string? _contentType;
        private MessageHeaders _headers = MessageHeaders.Empty;
        private string? _key;
        private int _priority = MessagePriority.Default;
        private DateTimeOffset _enqueuedAt;
        private DateTimeOffset? _expiresAt;
        private DeadLetterInfo? _deadLetter;
        private byte[] _body = [];

        public readonly Message ToMessage() => new()
        {
            Id = _id,
            Body = _body,
            ContentType = _contentType,
            Headers = _headers,
            Key = _key,
            Priority = _priority,
            EnqueuedAt = _enqueuedAt,
            ExpiresAt = _expiresAt,
            DeadLetter = _deadLetter,
        };

        public bool TryRead(ref WireReader json)
        {
            if (json.Is(Id))
            {
                _id = json.Text();
            }
            else if (json.Is(Body))
            {
                _body = json.Base64();
            }
            else if (json.Is(EnqueuedAt))
            {
                _enqueuedAt = json.Time();
            }
            else if (json.Is(ContentType))
            {
                _contentType = json.Text();
            }
            else if (json.Is(Headers))
            {
                _headers = ReadHeaders(ref json);
            }
            else if (json.Is(Key))
            {
                _key = json.Text();
            }
            else if (json.Is(Priority))
            {
                _priority = json.Number(MessagePriority.Lowest, MessagePriority.Highest);
            }
            else if (json.Is(ExpiresAt))
            {
                _expiresAt = json.Time();
            }
            else if (json.Is(DeadLetter))
            {
                _deadLetter = ReadDeadLetter(ref json);
            }
            else
            {
                return false;
            }

            return true;
        }

        private static DeadLetterInfo ReadDeadLetter(ref WireReader json)
        {
            var (reason, lastError, attempts, at) = ("", (string?)null, 0, default(DateTimeOffset));
            json.BeginObject();
            while (json.NextField())
            {
                if (json.Is(Reason))
                {
                    reason = json.Text();
                }
                else if (json.Is(LastError))
                {
                    lastError = json.Text();
                }
                else if (json.Is(Attempts))
                {
                    attempts = json.Number(0, int.MaxValue);
                }
                else if (json.Is(At))
                {
                    at = json.Time();
                }
                else
                {
                    json.Skip();
                }
            }

            return new DeadLetterInfo(reason, lastError, attempts, at);
        }
    }
}
