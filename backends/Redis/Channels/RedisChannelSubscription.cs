using Millrace.Storage;

namespace Millrace.Redis.Channels;

/// <summary>A subscription: what is replayed, then a bounded buffer of what arrives by its feed.</summary>
internal sealed class RedisChannelSubscription : IChannelSubscription
{
    private readonly Lock _gate = new();
    private readonly RedisChannelTransport _transport;
    private readonly SubscriptionBuffer _buffer;
    private Queue<ChannelMessage>? _held;
    private ChannelMessageId? _replayedTo;
    private int _isDisposed;

    public RedisChannelSubscription(RedisChannelTransport transport, TopicFeed feed, SubscriptionOptions options)
    {
        (_transport, Feed) = (transport, feed);
        _buffer = new SubscriptionBuffer(options);
        _held = options.ResumeAfter is null ? null : [];
    }

    public TopicFeed Feed { get; }

    public SubscriptionStats Stats => _buffer.Stats;

    /// <summary>Takes a message in, or does what the policy says. While the history is read, it is held back.</summary>
    public void Offer(ChannelMessage message)
    {
        lock (_gate)
        {
            if (_held is not null)
            {
                _held.Enqueue(message);
                return;
            }

            // The history's answer may have overtaken what was published before it.
            if (_replayedTo is { } last && !message.IsGap)
            {
                if (message.Id <= last)
                {
                    return;
                }

                _replayedTo = null;
            }

            // A subscription that its policy has ended stays in its feed until it is disposed; it takes nothing more.
            _buffer.Add(message);
        }
    }

    /// <summary>The history has been read up to an id: first it, then what was held back.</summary>
    public void EndReplay(List<ChannelMessage> replayed, ChannelMessageId last)
    {
        lock (_gate)
        {
            _buffer.AddReplay(replayed);
            var held = _held;
            _held = null;
            _replayedTo = last;
            while (held is not null && held.TryDequeue(out var message))
            {
                Offer(message);
            }
        }
    }

    public ValueTask<int> ReadAsync(Memory<ChannelMessage> into, CancellationToken cancellationToken = default) => _buffer.ReadAsync(into, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
        {
            _buffer.Close();
            await _transport.ReleaseAsync(this).ConfigureAwait(false);
        }
    }
}
