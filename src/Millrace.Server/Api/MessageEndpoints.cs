using Microsoft.AspNetCore.Http;
using Millrace.Server.Security;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>Messages of queues: sending one or many, looking at them, work on single ones, and publishing into bound queues.</summary>
internal static class MessageEndpoints
{
    private static readonly ChoiceParameter<MessageState> State = new(
        "state", "Which messages.", ("ready", MessageState.Ready), ("scheduled", MessageState.Scheduled), ("leased", MessageState.Leased));

    private static readonly NumberParameter Limit = new("limit", "The most messages of a page.", 50, 1, 1000);
    private static readonly TextParameter Continuation = new("continuation", "'next' of the page before.");

    public static readonly ApiRoute[] Routes =
    [
        new(HttpMethods.Post, "queues/{queue}/messages", "Sends one message: the body is the message's, of any type; Millrace-… headers say the rest.", SendAsync)
        {
            Headers = MessageHeaderFields.Fields,
            Body = ApiBody.Bytes,
            Answer = "Sent",
            Success = [201, 200],
            Problems = [ProblemMap.InvalidMessage, ProblemMap.QueueFull],
        },
        new(HttpMethods.Post, "queues/{queue}/batches", "Sends many messages, all or nothing.", SendBatchAsync)
        {
            Body = ApiBody.Json("Batch"),
            Answer = "SentBatch",
            Problems = [ProblemMap.InvalidMessage, ProblemMap.QueueFull],
        },
        new(HttpMethods.Get, "queues/{queue}/messages", "Looks at messages without leasing them, a page at a time.", BrowseAsync)
        {
            Query = [State, Limit, Continuation],
            Answer = "BrowsePage",
        },
        new(HttpMethods.Get, "queues/{queue}/messages/{id}", "Looks at one message.", GetAsync) { Answer = "BrowsedMessage", Problems = [ProblemMap.MessageNotFound] },
        new(HttpMethods.Get, "queues/{queue}/messages/{id}/body", "The body of one message, as it was sent.", GetBodyAsync)
        {
            AnswerType = "*/*",
            Problems = [ProblemMap.MessageNotFound],
        },
        new(HttpMethods.Delete, "queues/{queue}/messages/{id}", "Removes one message that is not leased.", RemoveAsync)
        {
            AuditedAs = "message.remove",
            Problems = [ProblemMap.MessageNotFound, ProblemMap.MessageLeased],
        },
        new(HttpMethods.Post, "queues/{queue}/messages/{id}/reschedule", "Makes one message that is not leased due after a delay.", RescheduleAsync)
        {
            AuditedAs = "message.reschedule",
            Body = ApiBody.Json("Delay"),
            Problems = [ProblemMap.MessageNotFound, ProblemMap.MessageLeased],
        },
        new(HttpMethods.Post, "topics/{topic}/messages", "Publishes one message into every queue that is bound to the topic.", PublishAsync)
        {
            Headers = MessageHeaderFields.Fields,
            Body = ApiBody.Bytes,
            Answer = "Reached",
            Problems = [ProblemMap.InvalidMessage, ProblemMap.QueueFull],
        },
        new(HttpMethods.Post, "topics/{topic}/batches", "Publishes many messages into every queue that is bound to the topic.", PublishBatchAsync)
        {
            Body = ApiBody.Json("Batch"),
            Answer = "Reached",
            Problems = [ProblemMap.InvalidMessage, ProblemMap.QueueFull],
        },
    ];

    private static async Task SendAsync(ApiCall call)
    {
        var queue = call.Queue(Permission.Send);
        using var body = await call.ReadBodyAsync().ConfigureAwait(false);
        var results = new EnqueueResult[1];
        await call.Instance.Queues.EnqueueAsync(queue, new[] { MessageHeaderFields.ReadEnvelope(call.Context.Request, body[..]) }, results, call.Aborted).ConfigureAwait(false);
        await call.WriteAsync(results[0].Outcome == EnqueueOutcome.Stored ? 201 : 200, json =>
        {
            json.WriteStartObject();
            MessageWire.WriteId(json, WireNames.Id, results[0].Id);
            json.WriteBoolean(WireNames.Duplicate, results[0].Outcome == EnqueueOutcome.Duplicate);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static async Task SendBatchAsync(ApiCall call)
    {
        var queue = call.Queue(Permission.Send);
        var batch = await ReadBatchAsync(call).ConfigureAwait(false);
        var results = new EnqueueResult[batch.Length];
        await call.Instance.Queues.EnqueueAsync(queue, batch, results, call.Aborted).ConfigureAwait(false);
        await call.WriteAsync(200, json => EnqueueResultWire.Write(json, results)).ConfigureAwait(false);
    }

    private static async Task BrowseAsync(ApiCall call)
    {
        var queue = call.Queue(Permission.Receive);
        var query = new BrowseQuery
        {
            State = State.Read(call),
            Limit = (int)Limit.Read(call),
            Continuation = Continuation.Read(call),
        };
        var page = await call.Instance.Admin.BrowseAsync(queue, query, call.Aborted).ConfigureAwait(false);
        await call.StreamAsync(
            page.Messages,
            json =>
            {
                json.WriteStartObject();
                json.WriteStartArray(WireNames.Messages);
            },
            MessageWire.WriteBrowsed,
            json =>
            {
                json.WriteEndArray();
                json.WriteString(WireNames.Next, page.Next);
                json.WriteEndObject();
            }).ConfigureAwait(false);
    }

    private static async Task GetAsync(ApiCall call)
    {
        if (await FindAsync(call).ConfigureAwait(false) is { } message)
        {
            await call.WriteAsync(200, json => MessageWire.WriteBrowsed(json, message)).ConfigureAwait(false);
        }
    }

    private static async Task GetBodyAsync(ApiCall call)
    {
        if (await FindAsync(call).ConfigureAwait(false) is { } message)
        {
            MessageHeaderFields.Write(call.Context.Response, message.Message);
            await call.WriteAsync(200, MessageHeaderFields.ContentTypeOf(message.Message), message.Message.Body).ConfigureAwait(false);
        }
    }

    private static async Task RemoveAsync(ApiCall call)
    {
        var queue = call.Queue(Permission.Manage);
        var id = IdOf(call);
        await AnswerChangeAsync(call, queue, id, await call.Instance.Admin.RemoveMessageAsync(queue, id, call.Aborted).ConfigureAwait(false)).ConfigureAwait(false);
    }

    private static async Task RescheduleAsync(ApiCall call)
    {
        var queue = call.Queue(Permission.Manage);
        var id = IdOf(call);
        var delay = await call.ReadJsonAsync(ReadDelay).ConfigureAwait(false);
        await AnswerChangeAsync(call, queue, id, await call.Instance.Admin.RescheduleMessageAsync(queue, id, delay, call.Aborted).ConfigureAwait(false)).ConfigureAwait(false);
    }

    private static async Task PublishAsync(ApiCall call)
    {
        var topic = TopicOf(call);
        using var body = await call.ReadBodyAsync().ConfigureAwait(false);
        var envelopes = new[] { MessageHeaderFields.ReadEnvelope(call.Context.Request, body[..]) };
        await WriteReachedAsync(call, await call.Instance.Routing.PublishAsync(topic, envelopes, call.Aborted).ConfigureAwait(false)).ConfigureAwait(false);
    }

    private static async Task PublishBatchAsync(ApiCall call)
    {
        var topic = TopicOf(call);
        var batch = await ReadBatchAsync(call).ConfigureAwait(false);
        await WriteReachedAsync(call, await call.Instance.Routing.PublishAsync(topic, batch, call.Aborted).ConfigureAwait(false)).ConfigureAwait(false);
    }

    private static async ValueTask<Envelope[]> ReadBatchAsync(ApiCall call) => await call.ReadJsonAsync((ref json) =>
    {
        var batch = new List<Envelope>();
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(WireNames.Messages))
            {
                OperationEndpoints.ReadMessages(ref json, batch, call.Instance.Limits.MaxBatch);
            }
            else
            {
                json.Unknown(WireNames.Messages);
            }
        }

        return batch.ToArray();
    }).ConfigureAwait(false);

    private static async ValueTask<BrowsedMessage?> FindAsync(ApiCall call)
    {
        var queue = call.Queue(Permission.Receive);
        var id = IdOf(call);
        var message = await call.Instance.Admin.GetMessageAsync(queue, id, call.Aborted).ConfigureAwait(false);
        if (message is null)
        {
            await AnswerChangeAsync(call, queue, id, MessageChange.NotFound).ConfigureAwait(false);
        }

        return message;
    }

    private static MessageId IdOf(ApiCall call) => new(call.Name("id"));

    private static string TopicOf(ApiCall call)
    {
        var topic = call.Name("topic");
        TopicPattern.RequireTopic(topic);
        call.Require(Permission.Send, ResourceKind.Topic, topic);
        return topic;
    }

    private static TimeSpan ReadDelay(ref WireReader json)
    {
        var delay = TimeSpan.Zero;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(WireNames.DelayMs))
            {
                delay = json.Milliseconds();
            }
            else
            {
                json.Unknown(WireNames.DelayMs);
            }
        }

        return delay;
    }

    private static Task AnswerChangeAsync(ApiCall call, string queue, MessageId id, MessageChange change) => change switch
    {
        MessageChange.NotFound => call.ProblemAsync(new(ProblemMap.MessageNotFound, 404, "There is no such message", $"Queue '{queue}' has no message with the id '{id}'.")),
        MessageChange.Leased => call.ProblemAsync(
            new(ProblemMap.MessageLeased, 409, "The message is leased", $"A receiver has the message '{id}' of queue '{queue}': settle it there, or wait for its lease to end.")),
        _ => call.NoContentAsync(),
    };

    private static Task WriteReachedAsync(ApiCall call, int reached) => call.WriteAsync(200, json =>
    {
        json.WriteStartObject();
        json.WriteNumber(WireNames.Reached, reached);
        json.WriteEndObject();
    });
}
