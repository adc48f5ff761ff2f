using Microsoft.AspNetCore.Http;
using Millrace.Server.Security;
using Millrace.Storage;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>Channels: publishing, subscribing by server-sent events, history.</summary>
internal static class ChannelEndpoints
{
    private const int MaxCapacity = 1_000_000;

    public static readonly ApiRoute[] Routes =
    [
        new(HttpMethods.Post, "channels/{topic}/messages", "Publishes one message to everyone who is subscribed: the body is the message's, of any type.", PublishAsync) { Answer = "Published" },
        new(HttpMethods.Get, "channels/{topic}/messages", "Messages that are still kept, oldest first; the topic may be a pattern.", GetHistoryAsync)
        {
            Query = ["after", "limit"],
            Answer = "ChannelMessages",
        },
        new(HttpMethods.Get, "channels/{topic}/events", "Subscribes: a stream of server-sent events; the topic may be a pattern.", SubscribeAsync)
        {
            Query = ["after", "format", "capacity", "whenFull"],
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
        var limit = (int)call.Query("limit", 1000, 1, int.MaxValue);
        var messages = await call.Instance.Channels.GetHistoryAsync(pattern, ReadId(call.Query("after")), limit, call.Aborted).ConfigureAwait(false);
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
        var format = call.Query("format") switch
        {
            null or "text" => EventFormat.Text,
            "json" => EventFormat.Json,
            _ => throw new WireFormatException("The parameter 'format' must be text or json."),
        };
        var options = new SubscriptionOptions
        {
            Capacity = (int)call.Query("capacity", SubscriptionOptions.Default.Capacity, 1, MaxCapacity),
            WhenFull = call.Query("whenFull") switch
            {
                null or "drop-oldest" => SlowSubscriberPolicy.DropOldest,
                "drop-newest" => SlowSubscriberPolicy.DropNewest,
                "disconnect" => SlowSubscriberPolicy.Disconnect,
                _ => throw new WireFormatException("The parameter 'whenFull' must be drop-oldest, drop-newest or disconnect."),
            },

            // What the browser remembers of the stream before comes first: the page's own parameter is from its beginning.
            ResumeAfter = ReadId(call.Context.Request.Headers["Last-Event-ID"].ToString() is { Length: > 0 } last ? last : call.Query("after")),
        };
        using var place = call.Instance.TryEnterSubscription();
        if (place is null)
        {
            await call.ProblemAsync(new(
                ProblemMap.TooManyOpen,
                503,
                "Too many subscriptions",
                $"There are {call.Instance.Limits.MaxSubscriptions:N0} subscriptions open, which is the most that this server allows.")
            {
                IsTransient = true,
            }).ConfigureAwait(false);
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
