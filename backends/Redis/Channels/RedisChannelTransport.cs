using System.Globalization;
using Millrace.Redis.Client;
using Millrace.Storage;

namespace Millrace.Redis.Channels;

/// <summary>
/// Channels over Redis' Pub/Sub (laws C1–C5). The script that publishes gives a message its id, so ids order the messages of all processes, also over restarts: milliseconds of the
/// server's clock, and a number.
/// </summary>
internal sealed class RedisChannelTransport : IChannelTransport
{
    private static readonly QueueCapabilities Limits = new() { Backend = "redis", Durability = StoreDurability.None };

    private readonly Lock _gate = new();
    private readonly Dictionary<string, TopicFeed> _feeds = new(StringComparer.Ordinal);
    private readonly HashSet<RedisChannelSubscription> _open = [];
    private readonly IRedisExecutor _executor;
    private readonly ChannelHistory _history;
    private readonly string _channelPrefix;
    private bool _isDisposed;

    /// <param name="executor">The way to the servers.</param>
    /// <param name="writes">How to write.</param>
    /// <param name="keys">The names of keys.</param>
    /// <param name="database">The number of the database: Pub/Sub knows none, so channels are named after it.</param>
    /// <param name="history">What is kept.</param>
    public RedisChannelTransport(IRedisExecutor executor, ReplicatedWrites writes, RedisKeys keys, int database, ChannelHistoryOptions history)
    {
        _executor = executor;
        _history = new ChannelHistory(executor, writes, keys, history);
        _channelPrefix = string.Create(CultureInfo.InvariantCulture, $"{keys.Prefix}:channel:{database}:");
    }

    public ValueTask<ChannelMessageId> PublishAsync(string topic, Envelope envelope, CancellationToken cancellationToken = default)
    {
        Require();
        TopicPattern.RequireTopic(topic);
        EnvelopeRules.RequireForChannel(in envelope, Limits);
        return _history.PublishAsync(topic, _channelPrefix + topic, envelope, cancellationToken);
    }

    public async ValueTask<IChannelSubscription> SubscribeAsync(TopicPattern pattern, SubscriptionOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        cancellationToken.ThrowIfCancellationRequested();
        var subscription = Open(pattern, options);
        try
        {
            await subscription.Feed.AddAsync(subscription, cancellationToken).ConfigureAwait(false);
            if (options.ResumeAfter is { } after)
            {
                // After the servers have confirmed: what comes meanwhile is held back, so nothing is missed and nothing comes twice.
                var (messages, last) = await _history.ReadAsync(pattern, after, int.MaxValue, cancellationToken).ConfigureAwait(false);
                subscription.EndReplay(messages, last);
            }

            return subscription;
        }
        catch
        {
            await subscription.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public async ValueTask<IReadOnlyList<ChannelMessage>> GetHistoryAsync(
        TopicPattern pattern, ChannelMessageId? after = null, int limit = 1000, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        Require();
        return (await _history.ReadAsync(pattern, after, limit, cancellationToken).ConfigureAwait(false)).Messages;
    }

    public async ValueTask DisposeAsync()
    {
        RedisChannelSubscription[] open;
        lock (_gate)
        {
            _isDisposed = true;
            open = [.. _open];
        }

        foreach (var subscription in open)
        {
            await subscription.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>A subscription is being disposed.</summary>
    internal async ValueTask ReleaseAsync(RedisChannelSubscription subscription)
    {
        var feed = subscription.Feed;
        feed.Remove(subscription);
        lock (_gate)
        {
            _open.Remove(subscription);
            if (--feed.Users > 0)
            {
                return;
            }

            _feeds.Remove(feed.Pattern.Text);
        }

        await feed.DisposeAsync().ConfigureAwait(false);
    }

    private RedisChannelSubscription Open(TopicPattern pattern, SubscriptionOptions options)
    {
        lock (_gate)
        {
            Require();
            if (!_feeds.TryGetValue(pattern.Text, out var feed))
            {
                feed = new TopicFeed(_executor, _history, pattern, _channelPrefix);
            }

            // Refuses options that it cannot keep, so the feed is used only afterwards.
            var subscription = new RedisChannelSubscription(this, feed, options);
            feed.Users++;
            _feeds[pattern.Text] = feed;
            _open.Add(subscription);
            return subscription;
        }
    }

    private void Require() => ObjectDisposedException.ThrowIf(_isDisposed, typeof(RedisBackend));
}
