using System.Buffers;
using Millrace.Stomp.Codec;
using Millrace.Storage;

namespace Millrace.Stomp.Sessions;

/// <summary>A live subscription to the topics of a pattern. What its messages are acknowledged with has no effect: nothing of them is kept.</summary>
internal sealed class TopicSubscription(BrokerResources resources, IFrameOutput output, SubscriptionRequest request, TopicPattern pattern) : Subscription(request)
{
    // Enough for a write of some tens of kilobytes.
    private const int ReadMessages = 128;

    private readonly DestinationCounters _counters = resources.Destinations.Of(request.Destination);
    private IChannelSubscription? _channel;
    private Task _pumping = Task.CompletedTask;
    private long _delivered;
    private long _dropped;
    private long _number;

    public override async ValueTask OpenAsync(CancellationToken cancellationToken)
    {
        var options = new SubscriptionOptions
        {
            Capacity = resources.Options.TopicBufferMessages,
            MaxBytes = resources.Options.TopicBufferBytes,
            WhenFull = resources.Options.SlowTopicSubscriber switch
            {
                SlowTopicSubscriber.DropNewest => SlowSubscriberPolicy.DropNewest,
                SlowTopicSubscriber.Disconnect => SlowSubscriberPolicy.Disconnect,
                _ => SlowSubscriberPolicy.DropOldest,
            },
        };
        _channel = await resources.Channels!.SubscribeAsync(pattern, options, cancellationToken).ConfigureAwait(false);
        _counters.AddSubscription(1);
        _pumping = PumpAsync(_channel);
    }

    public override bool Write(MessageFrame encoder, IBufferWriter<byte> output, in OutgoingFrame frame)
    {
        var message = frame.ChannelMessage!;
        encoder.Write(output, new MessageParts
        {
            Start = Start,
            TextId = message.Id.ToString(),
            AckSubscription = Request.Number,
            AckNumber = Request.Version == StompVersion.V12 && Request.Mode != AckMode.Auto ? ++_number : -1,
            Priority = MessagePriority.Default,
            ContentType = message.ContentType,
            Headers = message.Headers,
            Extra = Request.FixedDestination is null ? MessageFrame.Encode(Request.Version, ("destination", Destination.TopicPrefix + message.Topic)) : default,
            Body = message.Body,
        });
        return true;
    }

    public override void OnFlushed(int count)
    {
        Interlocked.Add(ref _delivered, count);
        _counters.AddDelivered(count);
        resources.Counters.AddDelivered(count);
    }

    // Whatever it names: there is nothing to find.
    public override long FindDelivery(long number, string? messageId) => Indifferent;

    public override async ValueTask DisposeAsync()
    {
        if (_channel is not null)
        {
            await _channel.DisposeAsync().ConfigureAwait(false);
            await _pumping.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public override StompSubscriptionInfo Describe() => new()
    {
        Id = Request.Id ?? "",
        Destination = Request.Destination,
        Acknowledge = AckModes.TextOf(Request.Mode),
        Delivered = Interlocked.Read(ref _delivered),
        Dropped = _channel?.Stats.Dropped ?? 0,
    };

    private async Task PumpAsync(IChannelSubscription channel)
    {
        try
        {
            // Rented for each turn, not held: ten thousand idle subscriptions wait with nothing in hand.
            var first = new ChannelMessage[1];
            int read;
            while ((read = await channel.ReadAsync(first, CancellationToken.None).ConfigureAwait(false)) > 0)
            {
                PostLive(first);
                await PumpReadyAsync(channel).ConfigureAwait(false);
                if (CountDrops(channel.Stats.Dropped) is { } fault)
                {
                    output.Fail(fault);
                    return;
                }
            }

            if (channel.Stats.Disconnected)
            {
                output.Fail(new StompFault("slow consumer", $"The subscription to '{Request.Destination}' had more messages waiting than its buffer holds."));
            }
        }
        catch (ObjectDisposedException)
        {
            // Closed between two reads.
        }
        catch (Exception exception)
        {
            output.Fail(StoreFaults.Describe(exception, $"the subscription to '{Request.Destination}'"), exception);
        }
        finally
        {
            _counters.AddSubscription(-1);
        }
    }

    /// <summary>Passes on what is there already, in as few writes as it takes.</summary>
    private async ValueTask PumpReadyAsync(IChannelSubscription channel)
    {
        while (channel.Stats.Buffered > 0)
        {
            var messages = ArrayPool<ChannelMessage>.Shared.Rent(ReadMessages);
            try
            {
                var read = await channel.ReadAsync(messages.AsMemory(0, ReadMessages), CancellationToken.None).ConfigureAwait(false);
                PostLive(messages.AsSpan(0, read));
                if (read == 0)
                {
                    break;
                }
            }
            finally
            {
                ArrayPool<ChannelMessage>.Shared.Return(messages, clearArray: true);
            }

            output.WriteHere();
            await output.HasRoomAsync().ConfigureAwait(false);
        }

        output.WriteHere();
        await output.HasRoomAsync().ConfigureAwait(false);
    }

    private void PostLive(ReadOnlySpan<ChannelMessage> messages)
    {
        // A gap has no body and no topic: a live subscription by STOMP has no word for it.
        var from = 0;
        for (var i = 0; i < messages.Length; i++)
        {
            if (messages[i].IsGap)
            {
                output.Post(this, messages[from..i]);
                from = i + 1;
            }
        }

        output.Post(this, messages[from..]);
    }

    private StompFault? CountDrops(long dropped)
    {
        var news = dropped - _dropped;
        if (news == 0)
        {
            return null;
        }

        _dropped = dropped;
        resources.Counters.AddDropped(news);
        return dropped >= resources.Options.MaxTopicDrops
            ? new StompFault("slow consumer", $"{dropped:N0} messages were dropped for the subscription to '{Request.Destination}' because the client took them too slowly.")
            : null;
    }
}
