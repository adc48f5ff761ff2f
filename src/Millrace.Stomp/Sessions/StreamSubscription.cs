using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Millrace.Stomp.Codec;
using Millrace.Storage;
using Millrace.Streams;

namespace Millrace.Stomp.Sessions;

/// <summary>
/// A subscription to a stream, which it reads at its own pace: nothing is dropped for a slow client. What it acknowledges makes room for more, and is committed for its group if it
/// has one.
/// </summary>
internal sealed class StreamSubscription(BrokerResources resources, IFrameOutput output, SubscriptionRequest request, StreamPlace place) : Subscription(request)
{
    private const int PageRecords = 128;

    private readonly Lock _gate = new();
    private readonly OpenDeliveries _open = new();
    private readonly CancellationTokenSource _closing = new();
    private readonly SemaphoreSlim _hasCredit = new(0);
    private RecordSource? _source;
    private Task _pumping = Task.CompletedTask;
    private bool _isClosed;
    private long _delivered;

    public DestinationCounters Counters { get; } = resources.Destinations.Of(request.Destination);

    public override async ValueTask OpenAsync(CancellationToken cancellationToken)
    {
        var streams = resources.Streams!;
        var info = await streams.GetAsync(place.Stream, cancellationToken).ConfigureAwait(false) ?? throw new StreamNotFoundException(place.Stream);
        if (place.Partition >= info.Settings.Partitions)
        {
            throw new StompFaultException("no such partition", $"Stream '{place.Stream}' has no partition {place.Partition}: it has {info.Settings.Partitions}, numbered from 0.");
        }

        _source = place.Group is null ? new FollowedRecords(await FollowAsync(info, cancellationToken).ConfigureAwait(false)) : new GroupRecords(resources.ConsumerOf(place));
        Counters.AddSubscription(1);
        _pumping = PumpAsync(_source);
    }

    public override bool Write(MessageFrame encoder, IBufferWriter<byte> output, in OutgoingFrame frame)
    {
        if (Request.Mode != AckMode.Auto && !TryMarkWritten(frame.Number))
        {
            return false;
        }

        var message = frame.Delivery.Message;
        encoder.Write(output, new MessageParts
        {
            Start = Start,
            TextId = message.Id.ToString(),
            AckSubscription = Request.Number,
            AckNumber = Request.Version == StompVersion.V12 ? frame.Number : -1,
            Priority = MessagePriority.Default,
            ContentType = message.ContentType,
            Headers = message.Headers,
            Extra = ExtraOf(frame.Delivery),
            Body = message.Body,
        });
        return true;
    }

    public override void OnFlushed(int count)
    {
        Interlocked.Add(ref _delivered, count);
        Counters.AddDelivered(count);
        resources.Counters.AddDelivered(count);
    }

    public override long FindDelivery(long number, string? messageId)
    {
        if (Request.Mode == AckMode.Auto)
        {
            return Indifferent;
        }

        lock (_gate)
        {
            return messageId is not null ? _open.FindByMessageId(new MessageId(messageId))
                : _open.IsAcknowledgeable(number) ? number
                : -1;
        }
    }

    /// <summary>Whether acknowledgements wait for <see cref="SettleAsync"/>. Touched by the session only.</summary>
    public bool HasSettlements { get; set; }

    /// <summary>Notes that the client has a record, and in client mode all before it: more may come. Returns how many.</summary>
    public int Acknowledge(long number)
    {
        lock (_gate)
        {
            var through = new List<long> { number };
            if (Request.Mode == AckMode.Client)
            {
                through.Clear();
                _open.ListThrough(number, through);
            }

            through.ForEach(one => _source!.Acknowledge(_open.Take(one)));
            if (_hasCredit.CurrentCount == 0)
            {
                _hasCredit.Release();
            }

            return through.Count;
        }
    }

    /// <summary>Commits for the group what was acknowledged.</summary>
    public override ValueTask SettleAsync()
    {
        HasSettlements = false;
        return _source!.CommitAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            if (_isClosed)
            {
                return;
            }

            _isClosed = true;
        }

        await _closing.CancelAsync().ConfigureAwait(false);
        if (_source is not null)
        {
            await _pumping.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await _source.DisposeAsync().ConfigureAwait(false);
        }

        _closing.Dispose();
        _hasCredit.Dispose();
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
                Delivered = Interlocked.Read(ref _delivered),
            };
        }
    }

    private async ValueTask<PartitionFollower> FollowAsync(StreamInfo info, CancellationToken cancellationToken)
    {
        var (first, count) = place.Partition is { } only ? (only, 1) : (0, info.Settings.Partitions);
        var logs = new List<(int Partition, IStreamPartition Log, long Offset)>();
        for (var i = first; i < first + count; i++)
        {
            var log = await resources.Streams!.OpenPartitionAsync(place.Stream, i, cancellationToken).ConfigureAwait(false);
            var offset = await place.From.ResolveAsync(log, cancellationToken).ConfigureAwait(false);

            // So that an offset that is not there is told of at once.
            await log.RequireWithinAsync(place.Stream, i, offset, cancellationToken).ConfigureAwait(false);
            logs.Add((i, log, offset));
        }

        return new PartitionFollower(place.Stream, logs);
    }

    private async Task PumpAsync(RecordSource source)
    {
        // A store that answers at once would keep the session here for as long as the stream is.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            while (true)
            {
                var credit = await WaitForCreditAsync().ConfigureAwait(false);
                Post(await source.ReadAsync(Math.Min(PageRecords, credit), _closing.Token).ConfigureAwait(false));
                output.WriteHere();
                await output.HasRoomAsync().ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_closing.IsCancellationRequested)
        {
            // Closed while it waited.
        }
        catch (Exception exception)
        {
            output.Fail(StoreFaults.Describe(exception, $"the subscription to '{Request.Destination}'"), exception);
        }
        finally
        {
            Counters.AddSubscription(-1);
        }
    }

    private async ValueTask<int> WaitForCreditAsync()
    {
        while (Request.Mode != AckMode.Auto)
        {
            lock (_gate)
            {
                if (_open.Count < Request.Prefetch)
                {
                    return Request.Prefetch - _open.Count;
                }
            }

            await _hasCredit.WaitAsync(_closing.Token).ConfigureAwait(false);
        }

        _closing.Token.ThrowIfCancellationRequested();
        return PageRecords;
    }

    private void Post(IReadOnlyList<SourcedRecord> records)
    {
        var deliveries = new Delivery[records.Count];
        var numbers = new long[records.Count];
        lock (_gate)
        {
            for (var i = 0; i < deliveries.Length; i++)
            {
                // No lease: the token says where the record stands.
                deliveries[i] = new Delivery { Message = MessageOf(records[i].Partition, records[i].Record), Token = records[i].Place };
                numbers[i] = Request.Mode == AckMode.Auto ? -1 : _open.Add(deliveries[i].Token, deliveries[i].Message.Id);
            }
        }

        output.Post(this, deliveries, numbers);
    }

    private static Message MessageOf(int partition, StreamRecord record)
    {
        var headers = record.Headers ?? MessageHeaders.Empty;
        string? type = null;
        if (headers.Count > 0 && headers.Any(header => IsOfBroker(header.Key)))
        {
            type = headers.TryGetValue(StreamContentType.Header, out var sent) ? sent : null;
            headers = MessageHeaders.Create(headers.Where(header => !IsOfBroker(header.Key)));
        }

        return new Message
        {
            Id = string.Create(CultureInfo.InvariantCulture, $"{partition}-{record.Offset}"),
            Body = record.Body,
            ContentType = type,
            Headers = headers,
            Key = Utf8.IsValid(record.Key.Span) && record.Key.Length > 0 ? Encoding.UTF8.GetString(record.Key.Span) : null,
            EnqueuedAt = record.Timestamp,
        };
    }

    // What a sender calls so must not be taken for what the broker says.
    private static bool IsOfBroker(string name) =>
        name is StreamContentType.Header or StreamPlace.StreamHeader or StreamPlace.PartitionHeader or StreamPlace.OffsetHeader or StreamPlace.TimestampHeader or StreamPlace.KeyHeader;

    private byte[] ExtraOf(in Delivery delivery)
    {
        var (partition, offset) = (SourcedRecord.PartitionOf(delivery.Token).ToString(CultureInfo.InvariantCulture), delivery.Token.Low.ToString(CultureInfo.InvariantCulture));
        var time = delivery.Message.EnqueuedAt.ToUniversalTime().ToString("O", CultureInfo.InvariantCulture);
        return delivery.Message.Key is { } key
            ? MessageFrame.Encode(
                Request.Version,
                (StreamPlace.StreamHeader, place.Stream),
                (StreamPlace.PartitionHeader, partition),
                (StreamPlace.OffsetHeader, offset),
                (StreamPlace.TimestampHeader, time),
                (StreamPlace.KeyHeader, key))
            : MessageFrame.Encode(
                Request.Version,
                (StreamPlace.StreamHeader, place.Stream),
                (StreamPlace.PartitionHeader, partition),
                (StreamPlace.OffsetHeader, offset),
                (StreamPlace.TimestampHeader, time));
    }

    private bool TryMarkWritten(long number)
    {
        lock (_gate)
        {
            if (!_isClosed)
            {
                _open.MarkWritten(number);
            }

            return !_isClosed;
        }
    }
}
