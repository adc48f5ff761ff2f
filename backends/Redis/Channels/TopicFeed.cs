using System.Text;
using Millrace.Redis.Client;
using Millrace.Storage;

namespace Millrace.Redis.Channels;

/// <summary>
/// What arrives in this process for one pattern, for all who are subscribed to it: one subscription of the servers, and each message read once. After a cut, what was missed is read
/// from the history before anything live is passed on; where it cannot be, a gap marker is (law C1).
/// </summary>
internal sealed class TopicFeed(IRedisExecutor executor, ChannelHistory history, TopicPattern pattern, string channelPrefix) : IRedisListener, IAsyncDisposable
{
    // What comes live while the history is read. Beyond it, a gap marker stands for all of it.
    private const int MaxHeld = 10_000;

    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _closing = new();
    private readonly int _prefixBytes = Encoding.UTF8.GetByteCount(channelPrefix);
    private RedisChannelSubscription[] _subscriptions = [];
    private Task<IAsyncDisposable>? _opening;
    private List<ChannelMessage>? _held;
    private bool _hasOverflowed;
    private bool _isCatchingUp;
    private bool _isCutAgain;
    private ChannelMessageId _last;
    private ChannelMessageId? _caughtUpTo;

    public TopicPattern Pattern => pattern;

    /// <summary>How many use it. Under the gate of <see cref="RedisChannelTransport"/>.</summary>
    public int Users { get; set; }

    /// <summary>Passes on to a subscription what arrives from now on; returns when the servers have confirmed.</summary>
    public async ValueTask AddAsync(RedisChannelSubscription subscription, CancellationToken cancellationToken)
    {
        Task<IAsyncDisposable> opening;
        lock (_gate)
        {
            _subscriptions = [.. _subscriptions, subscription];
            opening = _opening ??= OpenAsync();
        }

        await opening.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    public void Remove(RedisChannelSubscription subscription)
    {
        lock (_gate)
        {
            _subscriptions = Array.FindAll(_subscriptions, one => one != subscription);
        }
    }

    /// <summary>Ends it: nobody uses it any more.</summary>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        try
        {
            if (_opening is { } opening)
            {
                await (await opening.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
            }
        }
        catch (Exception fault) when (fault is MillraceException or ObjectDisposedException or OperationCanceledException)
        {
            // Whoever wanted the subscription has met the fault; there is nothing left to end.
        }
    }

    public void OnMessage(ReadOnlySpan<byte> channel, ReadOnlyMemory<byte> payload)
    {
        var topic = Encoding.UTF8.GetString(channel[Math.Min(_prefixBytes, channel.Length)..]);
        if (!pattern.Matches(topic) || ChannelEnvelope.ReadPublished(topic, payload) is not { } message)
        {
            return;
        }

        lock (_gate)
        {
            if (_held is null)
            {
                PassOnUnlessMissedLocked(message);
            }
            else if (_held.Count < MaxHeld)
            {
                _held.Add(message);
            }
            else
            {
                _hasOverflowed = true;
            }
        }
    }

    public void OnResubscribed()
    {
        lock (_gate)
        {
            _held = [];
            _hasOverflowed = false;
            _isCutAgain = _isCatchingUp;
            if (!_isCatchingUp)
            {
                _isCatchingUp = true;
                _ = Task.Run(CatchUpAsync, CancellationToken.None);
            }
        }
    }

    private async Task<IAsyncDisposable> OpenAsync()
    {
        // Before the subscription: what comes after this is either heard, or missing and read from the history.
        var last = await history.ReadLastAsync(_closing.Token).ConfigureAwait(false);
        lock (_gate)
        {
            _last = last;

            // A node of a Cluster may hear of an earlier publish only now.
            _caughtUpTo = last;
        }

        return pattern.IsLiteral
            ? await executor.SubscribeAsync(RedisSubscriptionKind.Channel, channelPrefix + pattern.Text, this, _closing.Token).ConfigureAwait(false)
            : await executor.SubscribeAsync(RedisSubscriptionKind.Pattern, RedisGlob.Escape(channelPrefix) + RedisGlob.Of(pattern), this, _closing.Token).ConfigureAwait(false);
    }

    /// <summary>What comes live after the history was read may stand in it too.</summary>
    private void PassOnUnlessMissedLocked(ChannelMessage message)
    {
        if (_caughtUpTo is { } last && message.Id <= last)
        {
            return;
        }

        _caughtUpTo = null;
        PassOnLocked(message);
    }

    private void PassOnLocked(ChannelMessage message)
    {
        _last = message.Id;
        foreach (var subscription in _subscriptions)
        {
            subscription.Offer(message);
        }
    }

    private async Task CatchUpAsync()
    {
        while (true)
        {
            ChannelMessageId last;
            lock (_gate)
            {
                last = _last;
                _isCutAgain = false;
            }

            var (missed, caughtUpTo) = await ReadMissedAsync(last).ConfigureAwait(false);
            lock (_gate)
            {
                foreach (var message in missed)
                {
                    PassOnLocked(message);
                }

                _last = caughtUpTo > _last ? caughtUpTo : _last;

                // What came live before another cut is gone, and stands in the history with the rest.
                if (!_isCutAgain)
                {
                    _caughtUpTo = _last;
                    EndHoldingLocked();
                    return;
                }
            }
        }
    }

    private async Task<(List<ChannelMessage> Missed, ChannelMessageId CaughtUpTo)> ReadMissedAsync(ChannelMessageId last)
    {
        try
        {
            return await history.ReadAsync(pattern, last, int.MaxValue, _closing.Token).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is MillraceException or ObjectDisposedException or OperationCanceledException)
        {
            return ([GapAfter(last)], last);
        }
    }

    private void EndHoldingLocked()
    {
        _isCatchingUp = false;
        foreach (var message in _held ?? [])
        {
            PassOnUnlessMissedLocked(message);
        }

        if (_hasOverflowed)
        {
            PassOnLocked(GapAfter(_last));
        }

        _held = null;
        _hasOverflowed = false;
    }

    private static ChannelMessage GapAfter(ChannelMessageId id) => new() { Id = id, Topic = "", IsGap = true };
}
