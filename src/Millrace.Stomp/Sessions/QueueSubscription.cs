using System.Buffers;
using Millrace.Queues;
using Millrace.Stomp.Codec;
using Millrace.Storage;

namespace Millrace.Stomp.Sessions;

/// <summary>A subscription to a queue: a consumer of the queue's dispatcher.</summary>
internal sealed class QueueSubscription : Subscription, IDeliverySink
{
    private static readonly TimeSpan LongestOpening = TimeSpan.FromSeconds(10);

    private readonly BrokerResources _resources;
    private readonly IFrameOutput _output;
    private readonly string _queue;
    private readonly bool _isTopicCopy;

    // Guards what follows: deliveries come from the dispatcher, go with the writer, and are acknowledged by the session.
    private readonly Lock _gate = new();
    private readonly OpenDeliveries _open = new();
    private bool _isClosed;
    private bool _isPaused;

    private DispatchConsumer? _consumer;
    private long _delivered;

    // Touched by the session only.
    private bool _isCounted;
    private Settlement[] _settlements = [];
    private int _settlementCount;

    public QueueSubscription(BrokerResources resources, IFrameOutput output, SubscriptionRequest request, string queue, bool isTopicCopy = false)
        : base(request)
    {
        _resources = resources;
        _output = output;
        _queue = queue;
        _isTopicCopy = isTopicCopy;
        Counters = resources.Destinations.Of(request.Destination);
    }

    /// <summary>The queue that it takes from.</summary>
    public string Queue => _queue;

    public DestinationCounters Counters { get; }

    /// <summary>Whether settlements wait for <see cref="SettleAsync"/>.</summary>
    public bool HasSettlements => _settlementCount > 0;

    public override async ValueTask OpenAsync(CancellationToken cancellationToken)
    {
        // Without credit first: deliveries come only when the consumer is known here.
        _consumer = _resources.Dispatchers!.Get(_queue).AddConsumer(this, new DispatchConsumerOptions { Credit = 0, SettleOnLease = Request.Mode == AckMode.Auto });
        try
        {
            await _consumer.Opened.WaitAsync(LongestOpening, _resources.TimeProvider, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException exception)
        {
            throw new StompFaultException(
                new StompFault("store unavailable", $"The store of '{Request.Destination}' has not answered for {LongestOpening.TotalSeconds:0} s: subscribe again later."), exception);
        }

        _isCounted = true;
        Counters.AddSubscription(1);
        _ = WatchAsync(_consumer);
        _consumer.SetCredit(Request.Prefetch);
    }

    void IDeliverySink.OnDeliveries(ReadOnlySpan<Delivery> deliveries)
    {
        if (Request.Mode == AckMode.Auto)
        {
            _output.Post(this, deliveries, default);
        }
        else
        {
            PostNumbered(deliveries);
        }

        if (_output.IsFull)
        {
            Pause();
        }

        _output.Wake();
    }

    // The client finds out when it acknowledges: by STOMP there is no way to tell it before.
    void IDeliverySink.OnLeaseLost(LeaseToken token)
    {
    }

    public override bool Write(MessageFrame encoder, IBufferWriter<byte> output, in OutgoingFrame frame)
    {
        var delivery = frame.Delivery;
        if (Request.Mode != AckMode.Auto && !TryMarkWritten(frame.Number))
        {
            return false;
        }

        var message = delivery.Message;
        encoder.Write(output, new MessageParts
        {
            Start = Start,
            Id = message.Id,
            AckSubscription = Request.Number,
            AckNumber = Request.Version == StompVersion.V12 ? frame.Number : -1,
            IsRedelivered = delivery.Redelivered,
            Priority = message.Priority,
            ExpiresAt = message.ExpiresAt,
            ContentType = message.ContentType,
            Headers = message.Headers,
            Extra = _isTopicCopy || message.DeadLetter is not null ? ExtraOf(message) : default,
            Body = message.Body,
        });
        return true;
    }

    public override void OnFlushed(int count)
    {
        _delivered += count;
        Counters.AddDelivered(count);
        _resources.Counters.AddDelivered(count);
        if (Request.Mode == AckMode.Auto)
        {
            _consumer!.AddCredit(count);
        }
    }

    public override void OnRoom()
    {
        lock (_gate)
        {
            _isPaused = false;
        }

        _consumer!.SetCredit(Request.Prefetch);
    }

    public override long FindDelivery(long number, string? messageId)
    {
        lock (_gate)
        {
            if (messageId is not null)
            {
                return _open.FindByMessageId(new MessageId(messageId));
            }

            return _open.IsAcknowledgeable(number) ? number : -1;
        }
    }

    /// <summary>Notes a settlement of a delivery, and in client mode of all before it, for <see cref="SettleAsync"/>. Returns of how many.</summary>
    public int Settle(long number, in AckRequest request)
    {
        lock (_gate)
        {
            if (Request.Mode == AckMode.ClientIndividual)
            {
                AddSettlement(request.SettlementOf(_open.Take(number)));
                return 1;
            }

            var through = new List<long>();
            _open.ListThrough(number, through);
            foreach (var one in through)
            {
                AddSettlement(request.SettlementOf(_open.Take(one)));
            }

            return through.Count;
        }
    }

    /// <summary>Settles in the store what was noted. Its credit comes back.</summary>
    public override async ValueTask SettleAsync()
    {
        var count = _settlementCount;
        _settlementCount = 0;
        await _consumer!.SettleAsync(_settlements.AsMemory(0, count)).ConfigureAwait(false);
    }

    /// <summary>Puts a delivery, and in client mode all before it, into a transaction.</summary>
    public void Enlist(long number, in AckRequest request, List<EnlistedSettlement> into)
    {
        lock (_gate)
        {
            var through = new List<long>();
            if (Request.Mode == AckMode.ClientIndividual)
            {
                through.Add(number);
            }
            else
            {
                _open.ListThrough(number, through);
            }

            foreach (var one in through)
            {
                into.Add(new EnlistedSettlement(this, one, request.SettlementOf(_open.SetInTransaction(one, true))));
            }
        }
    }

    /// <summary>A transaction with this delivery has ended.</summary>
    public void Release(long number, bool isCommitted)
    {
        lock (_gate)
        {
            if (_open.SetInTransaction(number, false) != default && isCommitted)
            {
                _open.Take(number);
            }
        }
    }

    public override async ValueTask DisposeAsync()
    {
        LeaseToken[] handled;
        lock (_gate)
        {
            if (_isClosed)
            {
                return;
            }

            _isClosed = true;
            handled = _open.WrittenTokens();
        }

        Counters.AddSubscription(_isCounted ? -1 : 0);
        if (_consumer is not null)
        {
            await _consumer.CloseAsync(handled).ConfigureAwait(false);
        }
    }

    public override StompSubscriptionInfo Describe()
    {
        lock (_gate)
        {
            return new StompSubscriptionInfo
            {
                Id = Request.Id ?? "",
                Destination = Request.Destination,
                Acknowledge = AckModes.TextOf(Request.Mode),
                Prefetch = Request.Prefetch,
                Unacknowledged = _open.Count,
                Delivered = Volatile.Read(ref _delivered),
            };
        }
    }

    private void PostNumbered(ReadOnlySpan<Delivery> deliveries)
    {
        var numbers = ArrayPool<long>.Shared.Rent(deliveries.Length);
        lock (_gate)
        {
            for (var i = 0; i < deliveries.Length; i++)
            {
                numbers[i] = _open.Add(deliveries[i].Token, deliveries[i].Message.Id);
            }
        }

        _output.Post(this, deliveries, numbers.AsSpan(0, deliveries.Length));
        ArrayPool<long>.Shared.Return(numbers);
    }

    private bool TryMarkWritten(long number)
    {
        lock (_gate)
        {
            if (_isClosed)
            {
                return false;
            }

            _open.MarkWritten(number);
            return true;
        }
    }

    /// <summary>A client that does not take what it has gets nothing more: its queue's other consumers do.</summary>
    private void Pause()
    {
        lock (_gate)
        {
            if (_isPaused)
            {
                return;
            }

            _isPaused = true;
        }

        _consumer!.SetCredit(0);
        _output.NotifyOfRoom(this);
    }

    private byte[] ExtraOf(Message message)
    {
        var headers = new List<(string, string)>();
        if (_isTopicCopy)
        {
            headers.Add(("destination", message.Headers.TryGetValue(ReservedHeaders.Topic, out var topic) ? Destination.TopicPrefix + topic : Request.Destination));
        }

        if (message.DeadLetter is { } dead)
        {
            DeadLetterHeaders.AddTo(headers, dead);
        }

        return MessageFrame.Encode(Request.Version, [.. headers]);
    }

    private void AddSettlement(Settlement settlement)
    {
        if (_settlementCount == _settlements.Length)
        {
            Array.Resize(ref _settlements, Math.Max(16, _settlementCount * 2));
        }

        _settlements[_settlementCount++] = settlement;
    }

    /// <summary>Ends the connection when nothing more can come, as when the queue was deleted.</summary>
    private async Task WatchAsync(DispatchConsumer consumer)
    {
        await consumer.Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (consumer.Completion.Exception is { InnerException: { } exception } && !_isClosed)
        {
            _output.Fail(StoreFaults.Describe(exception, $"the subscription to '{Request.Destination}'"), exception);
        }
    }
}
