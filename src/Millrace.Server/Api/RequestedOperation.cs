using System.Text.Json;
using Millrace.Server.Security;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;
using static Millrace.Storage.Http.Wire.WireNames;

namespace Millrace.Server.Api;

/// <summary>One operation of a request that has several.</summary>
internal abstract class RequestedOperation(string kind, string target)
{
    /// <summary>What it does.</summary>
    public string Kind => kind;

    /// <summary>The queue or topic.</summary>
    public string Target => target;

    /// <summary>Begins it. What it must not do, it says by an exception, here or from the task.</summary>
    public abstract ValueTask BeginAsync(ApiCall call);

    /// <summary>Writes its result, once it has succeeded.</summary>
    public abstract void WriteResult(Utf8JsonWriter json);

    public static RequestedOperation Read(ref WireReader json, int maxBatch)
    {
        string? kind = null;
        string? name = null;
        string? topic = null;
        bool? wantsIds = null;
        List<Envelope>? messages = null;
        List<Storage.Settlement>? settlements = null;
        Envelope? message = null;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Op))
            {
                kind = json.Choice((Enqueue, "enqueue"), (Settle, "settle"), (Broadcast, "broadcast"));
            }
            else if (json.Is(Queue))
            {
                name = json.Text();
            }
            else if (json.Is(Topic))
            {
                topic = json.Text();
            }
            else if (json.Is(Ids))
            {
                wantsIds = json.Boolean();
            }
            else if (json.Is(Messages))
            {
                OperationEndpoints.ReadMessages(ref json, messages ??= [], maxBatch);
            }
            else if (json.Is(Settlements))
            {
                OperationEndpoints.ReadSettlements(ref json, settlements ??= [], maxBatch);
            }
            else if (json.Is(WireNames.Message))
            {
                message = MessageWire.ReadEnvelope(ref json);
            }
            else
            {
                json.Unknown(Op, Queue, Topic, Ids, Messages, Settlements, WireNames.Message);
            }
        }

        return (kind, name, topic, messages, settlements, message, wantsIds) switch
        {
            ("enqueue", { } queue, null, { } batch, null, null, _) => new EnqueueRequest(queue, [.. batch], wantsIds ?? true),
            ("settle", { } queue, null, null, { } batch, null, null) => new SettleRequest(queue, [.. batch]),
            ("broadcast", null, { } channel, null, null, { } envelope, null) => new BroadcastRequest(channel, envelope),
            _ => throw new WireFormatException(
                "An operation has the fields 'op' and: for 'enqueue' queue and messages, with or without ids, for 'settle' queue and settlements, for 'broadcast' topic and message."),
        };
    }

    private sealed class EnqueueRequest(string queue, Envelope[] batch, bool wantsIds) : RequestedOperation("enqueue", queue)
    {
        private readonly EnqueueResult[] _results = wantsIds ? new EnqueueResult[batch.Length] : [];

        public override ValueTask BeginAsync(ApiCall call)
        {
            ResourceName.Require(Target, "queue");
            call.Require(Permission.Send, ResourceKind.Queue, Target);
            return call.Instance.Queues.EnqueueAsync(Target, batch, _results, CancellationToken.None);
        }

        public override void WriteResult(Utf8JsonWriter json) => EnqueueResultWire.Write(json, _results);
    }

    private sealed class SettleRequest(string queue, Storage.Settlement[] batch) : RequestedOperation("settle", queue)
    {
        private readonly SettleResult[] _results = new SettleResult[batch.Length];

        public override ValueTask BeginAsync(ApiCall call)
        {
            ResourceName.RequireQueue(Target);
            call.Require(Permission.Receive, ResourceKind.Queue, Target);
            return call.Instance.Queues.SettleAsync(Target, batch, _results, CancellationToken.None);
        }

        public override void WriteResult(Utf8JsonWriter json) => SettleResultWire.Write(json, _results);
    }

    private sealed class BroadcastRequest(string topic, Envelope envelope) : RequestedOperation("broadcast", topic)
    {
        private ChannelMessageId _id;

        public override ValueTask BeginAsync(ApiCall call)
        {
            TopicPattern.RequireTopic(Target);
            call.Require(Permission.Send, ResourceKind.Topic, Target);
            var publishing = call.Instance.Channels.PublishAsync(Target, envelope, CancellationToken.None);
            if (!publishing.IsCompletedSuccessfully)
            {
                return AwaitAsync(publishing);
            }

            _id = publishing.Result;
            return default;
        }

        public override void WriteResult(Utf8JsonWriter json)
        {
            json.WriteStartObject();
            json.WriteString(Id, _id.ToString());
            json.WriteEndObject();
        }

        private async ValueTask AwaitAsync(ValueTask<ChannelMessageId> publishing) => _id = await publishing.ConfigureAwait(false);
    }
}
