using System.Text;
using System.Threading.Channels;
using Millrace.Client;
using Millrace.Pipeline;
using Millrace.Queues;
using Millrace.Serialization;
using Millrace.Storage;
using Xunit;

namespace Millrace.Tests.Client;

/// <summary>Handling, from the store to the settlement, on the in-memory store.</summary>
public sealed class WorkerTests
{
    private readonly Channel<(Order Order, MessageContext Context)> _handled = Channel.CreateUnbounded<(Order, MessageContext)>();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AHandler_GetsTheMessageAndItsCircumstances()
    {
        await using var mill = await OpenAsync();
        await using var worker = mill.Worker<Order>("orders", KeepAsync);
        await worker.StartAsync(Token);

        var sent = await mill.Queue<Order>("orders").SendAsync(new Order("A-1", 3), new SendOptions { Key = "acme", Headers = MessageHeaders.Of(("tenant", "t1")) }, Token);

        var (order, context) = await _handled.Reader.ReadAsync(Token);
        Assert.Equal(new Order("A-1", 3), order);
        Assert.Equal((sent.Id, "orders", 1, false, "acme", "t1"), (context.Id, context.Queue, context.Attempt, context.Redelivered, context.Key, context.Headers["tenant"]));
        await worker.StopAsync(Token);
        Assert.Equal(1, worker.Stats.Handled);
        Assert.Equal(0, (await StatsAsync(mill)).Ready);
    }

    [Fact]
    public async Task AnObject_CanBeTheHandler()
    {
        await using var mill = await OpenAsync();
        await using var worker = mill.Worker("orders", new KeepingHandler(_handled.Writer));
        await worker.StartAsync(Token);

        await mill.Queue<Order>("orders").SendAsync(new Order("A-1"), cancellationToken: Token);

        Assert.Equal("A-1", (await _handled.Reader.ReadAsync(Token)).Order.Number);
    }

    [Theory]
    [InlineData("""{"number":""", "application/json", null, "cannot be read as Order")]
    [InlineData("null", "application/json", null, "JSON value null")]
    [InlineData("{}", "application/x-unknown", null, "no serializer for the content type")]
    [InlineData("{}", "application/json", "lzma", "content encoding 'lzma'")]
    [InlineData("{}", "application/json", "br", "no valid br data")]
    public async Task AMessageThatCannotBeRead_IsDeadLetteredAtOnce_ItsBytesUnharmed(string body, string contentType, string? encoding, string error)
    {
        await using var mill = await OpenAsync();
        await using var worker = mill.Worker<Order>("orders", KeepAsync);
        await worker.StartAsync(Token);
        var headers = encoding is null ? MessageHeaders.Empty : MessageHeaders.Of(("content-encoding", encoding));

        await mill.Require<IQueueStore>().EnqueueAsync(
            "orders", new[] { new Envelope(Encoding.UTF8.GetBytes(body)) { ContentType = contentType, Headers = headers } }, Memory<EnqueueResult>.Empty, Token);

        var dead = await NextDeadLetterAsync(mill);
        Assert.Equal(("unreadable", 1), (dead.DeadLetter!.Reason, dead.DeadLetter.Attempts));
        Assert.Contains(error, dead.DeadLetter.LastError, StringComparison.Ordinal);
        Assert.Equal(body, Encoding.UTF8.GetString(dead.Body.Span));
        Assert.Equal((contentType, headers.Count), (dead.ContentType, dead.Headers.Count));
        Assert.Equal(0, _handled.Reader.Count);
    }

    [Fact]
    public async Task AMessageThatIsNotValid_IsDeadLetteredAtOnce()
    {
        await using var mill = await OpenAsync();
        await using var worker = mill.Worker<Order>("orders", KeepAsync);
        await worker.StartAsync(Token);

        await mill.Queue<string>("orders").SendAsync("""{"number":"A-1","quantity":0}""", cancellationToken: Token);
        await mill.Require<IQueueStore>().EnqueueAsync(
            "orders", new[] { new Envelope("""{"number":"A-2","quantity":0}"""u8.ToArray()) }, Memory<EnqueueResult>.Empty, Token);

        // The first is text by its content type, which no Order is; the second has no content type and is read as JSON.
        var dead = new[] { await NextDeadLetterAsync(mill), await NextDeadLetterAsync(mill) };
        Assert.Equal(["invalid", "unreadable"], dead.Select(message => message.DeadLetter!.Reason).Order());
        Assert.Equal(
            "Order is not valid:\n  Quantity: The field Quantity must be between 1 and 100.",
            dead.Single(message => message.DeadLetter!.Reason == "invalid").DeadLetter!.LastError);
        Assert.Equal(0, _handled.Reader.Count);
    }

    [Fact]
    public async Task AnInvalidMessageThatAHandlerSends_IsItsOwnFault_NotThatOfTheMessageItHandles()
    {
        await using var mill = await OpenAsync();
        var other = mill.Queue<Order>("other");
        await using var worker = mill.Worker<Order>(
            "orders", (order, _, token) => other.SendAsync(order with { Quantity = 0 }, cancellationToken: token).AsTask(), new QueueWorkerOptions { RetryPolicy = RetryPolicy.None });
        await worker.StartAsync(Token);

        await mill.Queue<Order>("orders").SendAsync(new Order("A-1"), cancellationToken: Token);

        Assert.NotEqual("invalid", (await NextDeadLetterAsync(mill)).DeadLetter!.Reason);
    }

    [Theory]
    [InlineData(BodyCodec.Brotli, "br")]
    [InlineData(BodyCodec.GZip, "gzip")]
    public async Task ACompressedMessage_IsStoredSmall_AndReadWhole(BodyCodec codec, string encoding)
    {
        await using var mill = await OpenAsync(options => options.Compress(100, codec));
        var large = new Order(new string('x', 10_000));
        await mill.Queue<Order>("orders").SendBatchAsync([large, new Order("small")], cancellationToken: Token);

        var stored = (await mill.Require<IQueueAdmin>().BrowseAsync("orders", new BrowseQuery(), Token)).Messages;
        Assert.Equal(encoding, stored[0].Message.Headers["content-encoding"]);
        Assert.InRange(stored[0].Message.Body.Length, 1, 1000);
        Assert.Empty(stored[1].Message.Headers);

        // A client without any setting for compression reads them.
        await using var worker = mill.Worker<Order>("orders", KeepAsync, new QueueWorkerOptions { Concurrency = 1 });
        await worker.StartAsync(Token);
        Assert.Equal(large, (await _handled.Reader.ReadAsync(Token)).Order);
        Assert.Equal("small", (await _handled.Reader.ReadAsync(Token)).Order.Number);
    }

    [Fact]
    public async Task AMessageThatUnpacksBeyondTheLimit_IsUnreadable()
    {
        await using var sender = await OpenAsync(options => options.Compress(0));
        await using var mill = await OpenAsync(options => options.MaxBodyBytes = 1000);
        await sender.Queue<string>("orders").SendAsync(new string(' ', 100_000), cancellationToken: Token);
        var bomb = (await sender.Require<IQueueAdmin>().BrowseAsync("orders", new BrowseQuery(), Token)).Messages[0].Message;
        await using var worker = mill.Worker<byte[]>("orders", (_, _, _) => Task.CompletedTask);
        await worker.StartAsync(Token);

        await mill.Require<IQueueStore>().EnqueueAsync("orders", new[] { new Envelope(bomb.Body) { Headers = bomb.Headers } }, Memory<EnqueueResult>.Empty, Token);

        var dead = await NextDeadLetterAsync(mill);
        Assert.Equal("unreadable", dead.DeadLetter!.Reason);
        Assert.Contains("more than 1,000 bytes", dead.DeadLetter.LastError, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFailedAttempt_IsRetriedByPolicy_ThenHandled()
    {
        await using var mill = await OpenAsync();
        await using var worker = mill.Worker<Order>(
            "orders",
            async (order, context, token) =>
            {
                await KeepAsync(order, context, token);
                if (context.Attempt < 3)
                {
                    throw new InvalidOperationException("not yet");
                }
            },
            new QueueWorkerOptions { RetryPolicy = RetryPolicy.Fixed(TimeSpan.Zero) });
        await worker.StartAsync(Token);

        await mill.Queue<Order>("orders").SendAsync(new Order("A-1"), cancellationToken: Token);

        for (var attempt = 1; attempt <= 3; attempt++)
        {
            Assert.Equal(attempt, (await _handled.Reader.ReadAsync(Token)).Context.Attempt);
        }

        await worker.StopAsync(Token);
        Assert.Equal((1, 2, 0), (worker.Stats.Handled, worker.Stats.Retried, worker.Stats.DeadLettered));
    }

    [Fact]
    public async Task AHandler_MaySayWithoutAnExceptionWhatBecomesOfTheMessage()
    {
        await using var mill = await OpenAsync();
        await using var worker = mill.Worker<Order>("orders", (order, context, _) =>
        {
            context.Result = HandlingResult.DeadLetter("fraud", $"order {order.Number}");
            return Task.CompletedTask;
        });
        await worker.StartAsync(Token);

        await mill.Queue<Order>("orders").SendAsync(new Order("A-1"), cancellationToken: Token);

        var dead = await NextDeadLetterAsync(mill);
        Assert.Equal(("fraud", "order A-1"), (dead.DeadLetter!.Reason, dead.DeadLetter.LastError));
    }

    [Fact]
    public async Task Middleware_RunsAroundTheHandler_MayReplaceTheMessageAndHandItemsOn()
    {
        var log = Channel.CreateUnbounded<string>();
        await using var mill = await OpenAsync(options => options
            .OnHandle(async (context, next, token) =>
            {
                log.Writer.TryWrite("client in");
                context.Items["seen"] = true;
                await next(context, token);
                log.Writer.TryWrite("client out");
            }));
        await using var worker = mill.Worker<Order>("orders", async (order, context, token) =>
        {
            log.Writer.TryWrite($"handler {order.Quantity} {context.Items["seen"]}");
            await KeepAsync(order, context, token);
        });
        await worker.StartAsync(Token);

        await mill.Queue<Order>("orders").SendAsync(new Order("A-1"), cancellationToken: Token);

        await _handled.Reader.ReadAsync(Token);
        await worker.StopAsync(Token);
        log.Writer.Complete();
        Assert.Equal(["client in", "handler 1 True", "client out"], await log.Reader.ReadAllAsync(Token).ToListAsync(Token));
    }

    [Fact]
    public async Task Middleware_OfAQueue_MayCatchWhatTheHandlerThrows_AndReplaceTheMessage()
    {
        await using var mill = await OpenAsync(options => options.ForQueue("orders", queue => queue.OnHandle(async (context, next, token) =>
        {
            context.Body = (Order)context.Body with { Quantity = 42 };
            try
            {
                await next(context, token);
            }
            catch (InvalidOperationException)
            {
                // This one does not matter: the message counts as handled.
            }
        })));
        await using var worker = mill.Worker<Order>("orders", async (order, context, token) =>
        {
            await KeepAsync(order, context, token);
            throw new InvalidOperationException("does not matter");
        });
        await worker.StartAsync(Token);

        await mill.Queue<Order>("orders").SendAsync(new Order("A-1"), cancellationToken: Token);

        Assert.Equal(42, (await _handled.Reader.ReadAsync(Token)).Order.Quantity);
        await worker.StopAsync(Token);
        Assert.Equal((1, 0), (worker.Stats.Handled, worker.Stats.Retried));
    }

    [Fact]
    public async Task APolicyBeyondMaxDeliveries_IsRefusedAtStart()
    {
        await using var mill = await OpenAsync();
        await mill.Require<IQueueAdmin>().CreateQueueAsync("orders", new QueueSettings { MaxDeliveries = 3 }, Token);
        await using var worker = mill.Worker<Order>("orders", KeepAsync, new QueueWorkerOptions { RetryPolicy = RetryPolicy.Default.WithMaxAttempts(5) });

        var refusal = await Assert.ThrowsAsync<MillraceConfigurationException>(() => worker.StartAsync(Token));

        Assert.Contains("5 attempts", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("maxDeliveries", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RunAsync_WorksUntilCancelled_ThenDrains()
    {
        await using var mill = await OpenAsync();
        var worker = mill.Worker<Order>("orders", KeepAsync);
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var running = worker.RunAsync(stopping.Token);
        await mill.Queue<Order>("orders").SendAsync(new Order("A-1"), cancellationToken: Token);
        await _handled.Reader.ReadAsync(Token);

        await stopping.CancelAsync();
        await running;

        Assert.Equal((1, 0), (worker.Stats.Handled, worker.Stats.Held));
        Assert.True(worker.Completion.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task RunAsync_ThatIsCancelledBeforeItWorks_Returns()
    {
        await using var mill = await OpenAsync();
        var worker = mill.Worker<Order>("orders", KeepAsync);

        await worker.RunAsync(new CancellationToken(canceled: true));

        await worker.Completion.WaitAsync(Token);
        Assert.Equal(0, worker.Stats.Held);
    }

    [Fact]
    public async Task DisposingTheClient_LetsRunningHandlersEnd()
    {
        var mill = await OpenAsync();
        var release = new TaskCompletionSource();
        var worker = mill.Worker<Order>("orders", async (order, context, token) =>
        {
            await KeepAsync(order, context, token);
            await release.Task.WaitAsync(token);
        });
        await worker.StartAsync(Token);
        await mill.Queue<Order>("orders").SendAsync(new Order("A-1"), cancellationToken: Token);
        await _handled.Reader.ReadAsync(Token);

        var disposing = mill.DisposeAsync().AsTask();
        Assert.False(disposing.IsCompleted);
        release.SetResult();
        await disposing;

        Assert.Equal(1, worker.Stats.Handled);
        Assert.Throws<ObjectDisposedException>(() => mill.Queue<Order>("orders"));
        await mill.DisposeAsync();
    }

    [Fact]
    public async Task DeadLetters_CanBeWorkedOnLikeAnyQueue()
    {
        await using var mill = await OpenAsync();
        await using var worker = mill.Worker<Order>("orders", (_, _, _) => throw new FormatException("broken"), new QueueWorkerOptions { RetryPolicy = RetryPolicy.None });
        await using var mourner = mill.Worker<Order>("orders!dead", KeepAsync);
        await worker.StartAsync(Token);
        await mourner.StartAsync(Token);

        await mill.Queue<Order>("orders").SendAsync(new Order("A-1"), cancellationToken: Token);

        var (order, context) = await _handled.Reader.ReadAsync(Token);
        Assert.Equal("A-1", order.Number);
        Assert.Contains("broken", context.Message.DeadLetter!.LastError, StringComparison.Ordinal);
    }

    private static ValueTask<MillraceClient> OpenAsync(Action<MillraceClientOptions>? configure = null) => MillraceClient.OpenAsync("memory:", configure, Token);

    private static ValueTask<QueueStats> StatsAsync(MillraceClient mill) => mill.Require<IQueueAdmin>().GetStatsAsync("orders", Token);

    private static async Task<Message> NextDeadLetterAsync(MillraceClient mill)
    {
        var store = mill.Require<IQueueStore>();
        await using var receiver = await store.OpenReceiverAsync("orders!dead", new ReceiverOptions { SettleOnLease = true }, Token);
        var dead = new Delivery[1];
        await receiver.LeaseAsync(dead, Timeout.InfiniteTimeSpan, Token);
        var message = dead[0].Message;
        return new Message { Id = message.Id, Body = message.Body.ToArray(), ContentType = message.ContentType, Headers = message.Headers, DeadLetter = message.DeadLetter };
    }

    private Task KeepAsync(Order order, MessageContext context, CancellationToken cancellationToken) => _handled.Writer.WriteAsync((order, context), cancellationToken).AsTask();

    private sealed class KeepingHandler(ChannelWriter<(Order, MessageContext)> handled) : IMessageHandler<Order>
    {
        public Task HandleAsync(Order message, MessageContext context, CancellationToken cancellationToken) => handled.WriteAsync((message, context), cancellationToken).AsTask();
    }
}
