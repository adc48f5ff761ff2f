using Millrace.Redis.Client;
using Millrace.Storage;

namespace Millrace.Redis.Channels;

/// <summary>The latest messages of all topics, as the servers keep them (law C4), and publishing, which adds to them.</summary>
internal sealed class ChannelHistory(IRedisExecutor executor, ReplicatedWrites writes, RedisKeys keys, ChannelHistoryOptions options)
{
    private const int PageMessages = 500;

    private static readonly RedisScript PublishScript = RedisScript.Load("Channels/shared.lua", "Channels/publish.lua");
    private static readonly RedisScript HistoryScript = RedisScript.Load("Channels/shared.lua", "Channels/history.lua");

    private readonly string _messages = keys.Single("channel") + "messages";
    private readonly string _known = keys.Single("channel") + "history";

    /// <summary>Publishes and keeps a message; checked.</summary>
    public async ValueTask<ChannelMessageId> PublishAsync(string topic, string channel, Envelope envelope, CancellationToken cancellationToken)
    {
        var call = Begin(PublishScript).Add(topic).Add(channel).Add(envelope.Body.Length);
        ChannelEnvelope.AddTo(call, in envelope);
        return ChannelEnvelope.ToId(await writes.ExecuteAsync(call, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>The id of the last message of all; the default where nothing was ever published.</summary>
    public async ValueTask<ChannelMessageId> ReadLastAsync(CancellationToken cancellationToken)
    {
        var reply = await executor.ExecuteAsync(Begin(HistoryScript).Add("").Add(1).MayRepeat(), cancellationToken).ConfigureAwait(false);
        return reply.Items[2].IsNull ? default : ChannelEnvelope.ToId(reply.Items[2]);
    }

    /// <summary>Messages that match, oldest first, after a gap marker if messages after <paramref name="after"/> are gone.</summary>
    /// <param name="pattern">The pattern.</param>
    /// <param name="after">Only those after this id; null: all, without a marker.</param>
    /// <param name="limit">At most so many, the marker included.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>The messages, and the id up to which everything was looked at.</returns>
    public async ValueTask<(List<ChannelMessage> Messages, ChannelMessageId Last)> ReadAsync(
        TopicPattern pattern, ChannelMessageId? after, int limit, CancellationToken cancellationToken)
    {
        var messages = new List<ChannelMessage>();
        var last = after ?? default;
        for (var isFirst = true; ; isFirst = false)
        {
            var start = isFirst && after is null ? "" : last.ToString();
            var call = Begin(HistoryScript).Add(start).Add(PageMessages).MayRepeat();
            var reply = await executor.ExecuteAsync(call, cancellationToken).ConfigureAwait(false);
            var gone = reply.Items[0].IsNull ? null : (ChannelMessageId?)ChannelEnvelope.ToId(reply.Items[0]);
            if (start.Length > 0 && IsGapAfter(last, gone, isComplete: reply.Items[1].ToInteger() == 1, isFirst))
            {
                last = gone ?? last;
                messages.Add(new ChannelMessage { Id = last, Topic = "", IsGap = true });
            }

            var entries = reply.Items[3].Items;
            foreach (var entry in entries)
            {
                if (messages.Count >= limit)
                {
                    return (messages, last);
                }

                var message = ChannelEnvelope.ReadKept(entry);
                last = message.Id;
                if (pattern.Matches(message.Topic))
                {
                    messages.Add(message);
                }
            }

            if (entries.Length < PageMessages || messages.Count >= limit)
            {
                return (messages, last);
            }
        }
    }

    /// <summary>Whether the servers know nothing of what an id was of, or have let go of what came after it.</summary>
    private static bool IsGapAfter(ChannelMessageId last, ChannelMessageId? gone, bool isComplete, bool isFirst) =>
        last == default ? !isComplete && isFirst : gone is null ? isFirst : gone > last;

    private RedisCommand Begin(RedisScript script) =>
        script.Call(_messages, _known).Add(options.MaxCount).Add((long)options.TimeToLive.TotalMilliseconds).Add(options.MaxBytes);
}
