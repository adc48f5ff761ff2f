using System.Text.Json;
using static Millrace.Storage.Http.Wire.WireNames;

namespace Millrace.Storage.Http.Wire;

/// <summary>Transactions and their results in JSON.</summary>
internal static class TransactionWire
{
    public static void Write(Utf8JsonWriter json, QueueTransaction transaction)
    {
        json.WriteStartObject();
        json.WriteStartArray(Operations);
        foreach (var operation in transaction.Operations)
        {
            json.WriteStartObject();
            switch (operation)
            {
                case QueueOperation.Enqueue enqueue:
                    json.WriteString(Op, WireNames.Enqueue);
                    json.WriteString(Queue, enqueue.Queue);
                    json.WritePropertyName(WireNames.Message);
                    MessageWire.WriteEnvelope(json, enqueue.Envelope);
                    break;
                case QueueOperation.Publish publish:
                    json.WriteString(Op, WireNames.Publish);
                    json.WriteString(Topic, publish.Topic);
                    json.WritePropertyName(WireNames.Message);
                    MessageWire.WriteEnvelope(json, publish.Envelope);
                    break;
                case QueueOperation.Settle settle:
                    json.WriteString(Op, WireNames.Settle);
                    json.WriteString(Queue, settle.Queue);
                    json.WritePropertyName(WireNames.Settlement);
                    SettlementWire.Write(json, settle.Settlement);
                    break;
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    public static QueueTransaction Read(ref WireReader json)
    {
        var transaction = new QueueTransaction();
        json.BeginObject();
        while (json.NextField())
        {
            if (!json.Is(Operations))
            {
                json.Unknown(Operations);
                continue;
            }

            json.BeginArray();
            while (json.NextElement())
            {
                ReadOperation(ref json, transaction);
            }
        }

        return transaction;
    }

    public static void WriteResult(Utf8JsonWriter json, TransactionResult result)
    {
        json.WriteStartObject();
        json.WriteBoolean(Committed, result.Committed);
        json.WriteStartArray(Lost);
        foreach (var token in result.LostLeases)
        {
            WireValues.WriteTokenValue(json, token);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    public static TransactionResult ReadResult(ref WireReader json)
    {
        var committed = false;
        var lost = new List<LeaseToken>();
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Committed))
            {
                committed = json.Boolean();
            }
            else if (json.Is(Lost))
            {
                ReadTokens(ref json, lost);
            }
            else
            {
                json.Skip();
            }
        }

        return new TransactionResult(committed, lost);
    }

    /// <summary>Reads an array of lease tokens.</summary>
    public static void ReadTokens(ref WireReader json, List<LeaseToken> tokens)
    {
        json.BeginArray();
        while (json.NextElement())
        {
            tokens.Add(json.Token());
        }
    }

    private static void ReadOperation(ref WireReader json, QueueTransaction transaction)
    {
        string? kind = null;
        string? queue = null;
        string? topic = null;
        Envelope? envelope = null;
        Settlement? settlement = null;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Op))
            {
                kind = json.Choice((WireNames.Enqueue, "enqueue"), (WireNames.Publish, "publish"), (WireNames.Settle, "settle"));
            }
            else if (json.Is(Queue))
            {
                queue = json.Text();
            }
            else if (json.Is(Topic))
            {
                topic = json.Text();
            }
            else if (json.Is(WireNames.Message))
            {
                envelope = MessageWire.ReadEnvelope(ref json);
            }
            else if (json.Is(WireNames.Settlement))
            {
                settlement = SettlementWire.Read(ref json);
            }
            else
            {
                json.Unknown(Op, Queue, Topic, WireNames.Message, WireNames.Settlement);
            }
        }

        _ = (kind, queue, topic, envelope, settlement) switch
        {
            ("enqueue", { } name, null, { } message, null) => transaction.Enqueue(name, message),
            ("publish", null, { } name, { } message, null) => transaction.Publish(name, message),
            ("settle", { } name, null, null, { } made) => transaction.Settle(name, made),
            _ => throw new WireFormatException(
                "An operation of a transaction has the fields 'op' and: for 'enqueue' queue and message, for 'publish' topic and message, for 'settle' queue and settlement."),
        };
    }
}
