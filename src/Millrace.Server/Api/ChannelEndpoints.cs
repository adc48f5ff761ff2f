using Microsoft.AspNetCore.Http;
using Millrace.Server.Security;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>Channels: publishing, subscribing by server-sent events, history.</summary>
internal static class ChannelEndpoints
{
    private const string IdPattern = "^[0-9]{1,20}-[0-9]{1,20}$";

    private static readonly TextParameter After = new("after", "Only messages after the one with this id.") { Pattern = IdPattern };
    private static readonly NumberParameter Limit = new("limit", "The most messages.", 1000, 1, int.MaxValue);
    private static readonly NumberParameter Capacity = new("capacity", "How many messages may wait for a slow subscriber.", SubscriptionOptions.Default.Capacity, 1, 1_000_000);

    private static readonly NumberParameter MaxBytes = new(
        "maxBytes",
        "How many bytes of bodies may wait for a slow subscriber; a larger message is still taken when nothing else waits.",
        SubscriptionOptions.Default.MaxBytes,
        1,
        1L << 30);

    private static readonly ChoiceParameter<EventFormat> Format = new(
        "format", "What stands in the data of an event: the body as text, or the whole message as JSON.", ("text", EventFormat.Text), ("json", EventFormat.Json));

    private static readonly ChoiceParameter<SlowSubscriberPolicy> WhenFull = new(
        "whenFull",
        "What happens when too many messages wait.",
        ("drop-oldest", SlowSubscriberPolicy.DropOldest),
        ("drop-newest", SlowSubscriberPolicy.DropNewest),
        ("disconnect", SlowSubscriberPolicy.Disconnect));

    private static readonly TextParameter LastEventId = new("Last-Event-ID", "As 'after', which it goes before: what a browser sends when it connects again.") { Pattern = IdPattern };

    public static readonly ApiRoute[] Routes =
    [
        new(HttpMethods.Post, "channels/{topic}/messages", "Publishes one message to everyone who is subscribed: the body is the message's, of any type.", PublishAsync)
        {
            Headers = MessageHeaderFields.Fields,
            Body = ApiBody.Bytes,
            Answer = "Published",
            Problems = [ProblemMap.InvalidMessage],
        },
        new(HttpMethods.Get, "channels/{topic}/messages", "Messages that are still kept, oldest first; the topic may be a pattern.", GetHistoryAsync)
        {
            Query = [After, Limit],
            Answer = "ChannelMessages",
        },
        new(HttpMethods.Get, "channels/{topic}/events", "Subscribes: a stream of server-sent events; the topic may be a pattern.", SubscribeAsync)
        {
            Query = [After, Format, Capacity, MaxBytes, WhenFull],
            Headers = [LastEventId],
            AnswerType = "text/event-stream",
            Problems = [ProblemMap.TooManyOpen],
        },
    ];

    private static async Task PublishAsync(ApiCall call)
    {
        var topic = call.Name("topic");
        TopicPattern.RequireTopic(topic);
        call.Require(Permission.Send, ResourceKind.Topic, topic);
        using var body = await call.ReadBodyAsync().ConfigureAwait(false);
        var id = await call.Instance.Channels.PublishAsync(topic, MessageHeaderFields.ReadEnvelope(call.Context.Request, body[..]), call.Aborted).ConfigureAwait(false);
        await call.WriteAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteString(WireNames.Id, id.ToString());
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static async Task GetHistoryAsync(ApiCall call)
    {
        var pattern = PatternOf(call);
        var limit = (int)Limit.Read(call);
        var messages = await call.Instance.Channels.GetHistoryAsync(pattern, ReadId(After.Read(call)), limit, call.Aborted).ConfigureAwait(false);
        await call.StreamAsync(
            messages,
            json =>
            {
                json.WriteStartObject();
                json.WriteStartArray(WireNames.Messages);
            },
            ChannelMessageWire.Write,
            json =>
            {
                json.WriteEndArray();
                json.WriteEndObject();
            }).ConfigureAwait(false);
    }

    private static async Task SubscribeAsync(ApiCall call)
    {
        var pattern = PatternOf(call);
        var format = Format.Read(call);
        var options = new SubscriptionOptions
        {
            Capacity = (int)Capacity.Read(call),
            MaxBytes = MaxBytes.Read(call),
            WhenFull = WhenFull.Read(call),

            // What the browser remembers of the stream before comes first: the page's own parameter is from its beginning.
            ResumeAfter = ReadId(call.Context.Request.Headers[LastEventId.Name].ToString() is { Length: > 0 } last ? last : After.Read(call)),
        };
        using var place = call.Instance.TryEnterSubscription();
        if (place is null)
        {
            await call.TooManySubscriptionsAsync().ConfigureAwait(false);
            return;
        }

        var subscription = await call.Instance.Channels.SubscribeAsync(pattern, options, call.Aborted).ConfigureAwait(false);
        await using (subscription.ConfigureAwait(false))
        {
            if (!HttpMethods.IsHead(call.Context.Request.Method))
            {
                using var permission = call.Instance.Standing.Hold(call.Caller, Permission.Receive, ResourceKind.Topic, pattern.Text);
                await new EventStream(call, subscription, format).RunAsync(permission.Lost).ConfigureAwait(false);
            }
        }
    }

    // A subscription sees whatever matches, so all of it must be allowed.
    private static TopicPattern PatternOf(ApiCall call)
    {
        var pattern = TopicPattern.Parse(call.Name("topic"));
        return call.Caller.MayAll(Permission.Receive, ResourceKind.Topic, pattern.Text) ? pattern : throw call.Denied(Permission.Receive, ResourceKind.Topic, pattern.Text);
    }

    private static ChannelMessageId? ReadId(string? text) => text is null ? null
        : ChannelMessageId.TryParse(text, null, out var id) ? id
        : throw new WireFormatException("The id of a channel message (Last-Event-ID, or the parameter 'after') is two decimal numbers with a hyphen between.");
}
