using System.Text.Json;
using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

/// <summary>An operation that may share its request with others; see <see cref="OperationSender"/>.</summary>
internal abstract class HttpOperation : GroupCommitOperation
{
    /// <summary>Whether it can be sent again although its first request may have been carried out. False unless overridden.</summary>
    public virtual bool IsRepeatable => false;

    /// <summary>Writes the operation as an element of the request.</summary>
    public abstract void Write(Utf8JsonWriter json);

    /// <summary>Reads its result, which is no problem.</summary>
    public abstract void Read(ref WireReader json);
}

/// <summary>Messages for a queue.</summary>
internal sealed class EnqueueOperation(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, bool findsRepeats) : HttpOperation
{
    // What an envelope costs beside its body.
    private const int Overhead = 100;

    private readonly long _weight = WeightOf(batch.Span);

    public override long Weight => _weight;

    /// <summary>With ids of the sender's own, the queue stores a repeat once (Q2).</summary>
    public override bool IsRepeatable => findsRepeats && !HasMessageWithoutId(batch.Span);

    public override void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString(WireNames.Op, WireNames.Enqueue);
        json.WriteString(WireNames.Queue, queue);
        if (results.IsEmpty)
        {
            json.WriteBoolean(WireNames.Ids, false);
        }

        json.WriteStartArray(WireNames.Messages);
        foreach (ref readonly var envelope in batch.Span)
        {
            MessageWire.WriteEnvelope(json, in envelope);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    public override void Read(ref WireReader json) => EnqueueResultWire.Read(ref json, results.Span);

    private static bool HasMessageWithoutId(ReadOnlySpan<Envelope> batch)
    {
        foreach (ref readonly var envelope in batch)
        {
            if (envelope.Id.IsEmpty)
            {
                return true;
            }
        }

        return false;
    }

    private static long WeightOf(ReadOnlySpan<Envelope> batch)
    {
        var weight = 0L;
        foreach (ref readonly var envelope in batch)
        {
            weight += envelope.Body.Length + Overhead;
        }

        return weight;
    }
}

/// <summary>Settlements of deliveries of a queue.</summary>
internal sealed class SettleOperation(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results) : HttpOperation
{
    private const int Overhead = 60;

    public override long Weight => (long)batch.Length * Overhead;

    public override void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString(WireNames.Op, WireNames.Settle);
        json.WriteString(WireNames.Queue, queue);
        json.WriteStartArray(WireNames.Settlements);
        foreach (ref readonly var settlement in batch.Span)
        {
            SettlementWire.Write(json, in settlement);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    public override void Read(ref WireReader json) => SettleResultWire.Read(ref json, results.IsEmpty ? default : results.Span[..batch.Length]);
}

/// <summary>A message for everyone who is subscribed to a topic.</summary>
internal sealed class BroadcastOperation(string topic, Envelope envelope) : HttpOperation
{
    /// <summary>The id that the server gave the message.</summary>
    public ChannelMessageId Id { get; private set; }

    public override long Weight => envelope.Body.Length;

    public override void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString(WireNames.Op, WireNames.Broadcast);
        json.WriteString(WireNames.Topic, topic);
        json.WritePropertyName(WireNames.Message);
        MessageWire.WriteEnvelope(json, in envelope);
        json.WriteEndObject();
    }

    public override void Read(ref WireReader json)
    {
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(WireNames.Id))
            {
                Id = ChannelMessageWire.ReadId(ref json);
            }
            else
            {
                json.Skip();
            }
        }
    }
}
