using System.Buffers;
using Millrace.Stomp.Codec;
using Millrace.Storage;

namespace Millrace.Stomp.Sessions;

/// <summary>A look at the ready messages of a queue, which stay where they are. Ends with an empty MESSAGE that has the header <c>browser:end</c>.</summary>
internal sealed class BrowseSubscription(BrokerResources resources, IFrameOutput output, SubscriptionRequest request, string queue) : Subscription(request)
{
    private const int PageMessages = 50;

    private readonly CancellationTokenSource _closing = new();
    private Task _browsing = Task.CompletedTask;
    private long _delivered;

    public override async ValueTask OpenAsync(CancellationToken cancellationToken)
    {
        // So that a queue that does not exist is told of at once.
        await resources.Admin!.GetStatsAsync(queue, cancellationToken).ConfigureAwait(false);
        _browsing = BrowseAsync(_closing.Token);
    }

    public override bool Write(MessageFrame encoder, IBufferWriter<byte> output, in OutgoingFrame frame)
    {
        var message = frame.Delivery.Message;
        encoder.Write(output, new MessageParts
        {
            Start = Start,
            Id = message.Id,
            AckNumber = -1,
            Priority = message.Priority,
            ExpiresAt = message.ExpiresAt,
            ContentType = message.ContentType,
            Headers = message.Headers,
            Extra = message.DeadLetter is { } dead ? DeadLetterHeaders.Encode(Request.Version, dead) : default,
            Body = message.Body,
        });
        return true;
    }

    public override void OnFlushed(int count) => Interlocked.Add(ref _delivered, count);

    public override long FindDelivery(long number, string? messageId) => Indifferent;

    public override async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        await _browsing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _closing.Dispose();
    }

    public override StompSubscriptionInfo Describe() => new()
    {
        Id = Request.Id ?? "",
        Destination = Request.Destination,
        Acknowledge = "browser",
        Delivered = Interlocked.Read(ref _delivered),
    };

    private async Task BrowseAsync(CancellationToken cancellationToken)
    {
        try
        {
            var query = new BrowseQuery { Limit = PageMessages };
            BrowsePage page;
            do
            {
                page = await resources.Admin!.BrowseAsync(queue, query, cancellationToken).ConfigureAwait(false);
                foreach (var browsed in page.Messages)
                {
                    output.Post(this, [new Delivery { Message = browsed.Message }], [-1]);
                }

                output.WriteHere();
                await output.HasRoomAsync().ConfigureAwait(false);
                query = query with { Continuation = page.Next };
            }
            while (page.Next is not null && !cancellationToken.IsCancellationRequested);

            var end = ControlFrame.Begin(StompCommand.Message, Request.Version);
            if (Request.Id is { } id)
            {
                end.Add("subscription", id);
            }

            output.Post(end.Add("destination", Request.Destination).Add("message-id", "end").Add("browser", "end").Add("content-length", "0").End());
            output.WriteHere();
        }
        catch (OperationCanceledException)
        {
            // Closed while it looked.
        }
        catch (Exception exception)
        {
            output.Fail(StoreFaults.Describe(exception, $"the look at '{Request.Destination}'"), exception);
        }
    }
}
