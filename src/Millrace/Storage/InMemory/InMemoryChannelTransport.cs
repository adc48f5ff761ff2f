using System.Security.Cryptography;

namespace Millrace.Storage.InMemory;

/// <summary>
/// The channel of one in-memory backend (laws C1–C5). A publish makes one message, which its history and all its subscribers share, and puts it into their
/// buffers under one gate: so every subscriber sees the messages in the order of their ids.
/// </summary>
/// <remarks>Ids: the major part is this instance's incarnation (milliseconds of its opening and 20 random bits), the minor part counts from 1.</remarks>
internal sealed class InMemoryChannelTransport : TimerHeapEntry, IChannelTransport
{
    private const int IncarnationRandomBits = 20;
    private const long HistorySweepTicks = TimeSpan.TicksPerSecond;

    private static readonly QueueCapabilities Limits = new() { Backend = "memory", Durability = StoreDurability.None };

    private readonly Lock _gate = new();
    private readonly MonotonicClock _clock;
    private readonly TimerHeap _timers;
    private readonly PatternIndex<InMemoryChannelSubscription> _subscriptions = new();
    private readonly HashSet<InMemoryChannelSubscription> _open = [];
    private readonly ChannelHistory _history;
    private readonly long _incarnation;
    private long _lastNumber;
    private bool _isSweepScheduled;
    private bool _isDisposed;

    public InMemoryChannelTransport(MonotonicClock clock, TimerHeap timers, ChannelHistory history)
    {
        _clock = clock;
        _timers = timers;
        _history = history;
        _incarnation = (clock.UtcNow.ToUnixTimeMilliseconds() << IncarnationRandomBits) | (long)RandomNumberGenerator.GetInt32(1 << IncarnationRandomBits);
    }

    public ValueTask<ChannelMessageId> PublishAsync(string topic, Envelope envelope, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(topic);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<ChannelMessageId>(cancellationToken);
        }

        try
        {
            TopicPattern.RequireTopic(topic);
            EnvelopeRules.RequireForChannel(in envelope, Limits);
        }
        catch (MillraceException exception)
        {
            return ValueTask.FromException<ChannelMessageId>(exception);
        }

        var body = envelope.Body.IsEmpty ? default : new ReadOnlyMemory<byte>(envelope.Body.ToArray());
        var now = _clock.Now;
        var offer = default(ChannelOffer);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            offer.Message = new ChannelMessage
            {
                Id = new ChannelMessageId(_incarnation, ++_lastNumber),
                Topic = topic,
                Body = body,
                ContentType = envelope.ContentType,
                Headers = envelope.Headers ?? MessageHeaders.Empty,
                PublishedAt = _clock.UtcNow,
            };
            _history.Add(offer.Message, now);
            ScheduleSweepLocked(now);
            foreach (var subscription in _subscriptions.Find(topic))
            {
                subscription.Offer(ref offer);
            }

            for (var ended = offer.Disconnected; ended is not null; ended = ended.NextDisconnected)
            {
                _open.Remove(ended);
                _subscriptions.Remove(ended.Pattern, ended);
            }
        }

        InMemoryChannelSubscription.WakeAll(offer.Woken);
        return offer.Waits is null
            ? new ValueTask<ChannelMessageId>(offer.Message.Id)
            : WaitForRoomAsync(offer.Message.Id, offer.Waits, cancellationToken);
    }

    public ValueTask<IChannelSubscription> SubscribeAsync(TopicPattern pattern, SubscriptionOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        ArgumentNullException.ThrowIfNull(options);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<IChannelSubscription>(cancellationToken);
        }

        try
        {
            options.Validate();
        }
        catch (MillraceConfigurationException exception)
        {
            return ValueTask.FromException<IChannelSubscription>(exception);
        }

        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            _history.Trim(_clock.Now);

            // Under the gate: between what is replayed and what comes live, nothing is missed and nothing comes twice.
            var replay = options.ResumeAfter is { } after ? _history.Read(pattern, after, _incarnation, int.MaxValue) : null;
            var subscription = new InMemoryChannelSubscription(this, pattern, options, replay, _clock, _timers);
            _open.Add(subscription);
            _subscriptions.Add(pattern, subscription);
            return new ValueTask<IChannelSubscription>(subscription);
        }
    }

    public ValueTask<IReadOnlyList<ChannelMessage>> GetHistoryAsync(TopicPattern pattern, ChannelMessageId? after = null, int limit = 1000, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<IReadOnlyList<ChannelMessage>>(cancellationToken);
        }

        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            _history.Trim(_clock.Now);
            return new ValueTask<IReadOnlyList<ChannelMessage>>(_history.Read(pattern, after, _incarnation, limit));
        }
    }

    public async ValueTask DisposeAsync()
    {
        InMemoryChannelSubscription[] open;
        lock (_gate)
        {
            _isDisposed = true;
            open = [.. _open];
        }

        _timers.Cancel(this);
        foreach (var subscription in open)
        {
            await subscription.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Forgets a subscription that is being disposed.</summary>
    public void Remove(InMemoryChannelSubscription subscription)
    {
        lock (_gate)
        {
            if (_open.Remove(subscription))
            {
                _subscriptions.Remove(subscription.Pattern, subscription);
            }
        }
    }

    protected internal override void OnDue()
    {
        lock (_gate)
        {
            var now = _clock.Now;
            _isSweepScheduled = false;
            _history.Trim(now);
            ScheduleSweepLocked(now);
        }
    }

    private static async ValueTask<ChannelMessageId> WaitForRoomAsync(ChannelMessageId id, List<ChannelWait> waits, CancellationToken cancellationToken)
    {
        foreach (var wait in waits)
        {
            // The message is published: cancelling gives up on this subscriber, and still returns the id.
            var registration = cancellationToken.UnsafeRegister(static state => ((ChannelWait)state!).GiveUp(), wait);
            await using (registration.ConfigureAwait(false))
            {
                await wait.Ended.ConfigureAwait(false);
            }
        }

        return id;
    }

    private void ScheduleSweepLocked(long now)
    {
        if (!_isSweepScheduled && _history.NextExpiry is var next && next != MonotonicClock.Never && !_isDisposed)
        {
            // Reading trims exactly; this only gives memory back.
            _isSweepScheduled = true;
            _timers.Schedule(this, Math.Max(next, now + HistorySweepTicks));
        }
    }
}

/// <summary>One publish on its way through the subscriptions: the message, and who is to be woken, dropped or waited for afterwards.</summary>
internal struct ChannelOffer
{
    public ChannelMessage Message;
    public InMemoryChannelSubscription? Woken;
    public InMemoryChannelSubscription? Disconnected;
    public List<ChannelWait>? Waits;
}
