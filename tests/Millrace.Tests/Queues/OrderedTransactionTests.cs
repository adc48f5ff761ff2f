using System.Text;
using Millrace.Queues;
using Millrace.Storage;
using Millrace.Storage.InMemory;
using Xunit;

namespace Millrace.Tests.Queues;

/// <summary>Transactions in order, on a store that has none.</summary>
public sealed class OrderedTransactionTests : IAsyncLifetime
{
    private Backend _backend = null!;
    private StoreWithoutTransactions _store = null!;
    private QueueDispatchers _dispatchers = null!;
    private RecordingSink _sink = null!;
    private DispatchConsumer _consumer = null!;
    private Delivery[] _held = [];

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    private IQueueStore Inner => _backend.Queues!;

    public async ValueTask InitializeAsync()
    {
        _backend = await InMemoryBackend.OpenAsync(BackendUrl.Parse("memory:"), new BackendContext(), Ending);
        _store = new StoreWithoutTransactions(Inner);
        _dispatchers = new QueueDispatchers(_store);
        _sink = new RecordingSink();
        _consumer = _dispatchers.Get("in").AddConsumer(_sink, new DispatchConsumerOptions { Credit = 2 });
        await Inner.EnqueueAsync("in", new[] { Make("a"), Make("b"), Make("c") }, default, Ending);
        _held = await _sink.ReceivedAsync(2);
    }

    public async ValueTask DisposeAsync()
    {
        await _dispatchers.DisposeAsync();
        await _backend.DisposeAsync();
    }

    [Fact]
    public async Task Sends_ComeFirst_InOrder_NeighboursInOneCall_AndSettlementsAfter()
    {
        await _store.BindAsync("bound", TopicPattern.Parse("t"), Ending);
        var result = await CommitAsync(new QueueTransaction()
            .Settle("in", Settlement.Complete(_held[0].Token))
            .Enqueue("x", Make("1"))
            .Settle("in", Settlement.Complete(_held[1].Token))
            .Enqueue("x", Make("2"))
            .Enqueue("y", Make("3"))
            .Publish("y", Make("4"))
            .Publish("t", Make("5"))
            .Publish("t", Make("6"))
            .Enqueue("x", Make("7")));

        Assert.True(result.Committed);
        Assert.Equal(
            ["enqueue 2 to x", "enqueue 1 to y", "publish 1 to y", "publish 2 to t", "enqueue 1 to x", "settle 2 of in"],
            _store.Calls);
        Assert.Equal("c", TextOf((await _sink.ReceivedAsync(3))[2]));
        Assert.Equal(["1", "2", "7"], await DrainAsync("x"));
        Assert.Equal(["5", "6"], await DrainAsync("bound"));
    }

    [Fact]
    public async Task AFaultInTheMiddle_LeavesTheDeliveriesOpen_AndARepeatStoresNothingTwice()
    {
        var transaction = new QueueTransaction()
            .Enqueue("x", Make("1"))
            .Enqueue("x", Make("2") with { Id = "mine" })
            .Enqueue("y", Make("3"))
            .Settle("in", Settlement.Complete(_held[0].Token));
        _store.Before = call => Throw(call == "enqueue 1 to y");
        await Assert.ThrowsAsync<BackendUnavailableException>(() => CommitAsync(transaction));
        Assert.Equal(2, _dispatchers.Get("in").OpenDeliveries);

        _store.Before = call => Throw(call == "settle 1 of in");
        await Assert.ThrowsAsync<BackendUnavailableException>(() => CommitAsync(transaction));
        Assert.Equal(2, _dispatchers.Get("in").OpenDeliveries);

        _store.Before = _ => { };
        Assert.True((await CommitAsync(transaction)).Committed);

        Assert.Equal(["1", "2"], await DrainAsync("x"));
        Assert.Equal(["3"], await DrainAsync("y"));
        await _sink.ReceivedAsync(3);

        static void Throw(bool now)
        {
            if (now)
            {
                throw new BackendUnavailableException("cut");
            }
        }
    }

    [Fact]
    public async Task MessagesWithoutAnId_GetAVersion7Uuid()
    {
        await CommitAsync(new QueueTransaction().Enqueue("x", Make("1")).Enqueue("x", Make("2") with { Id = "mine" }));

        await using var receiver = await Inner.OpenReceiverAsync("x", new ReceiverOptions(), Ending);
        var into = new Delivery[2];
        Assert.Equal(2, await receiver.LeaseAsync(into, TimeSpan.Zero, Ending));
        Assert.True(into[0].Message.Id.TryGetUuid(out var uuid));
        Assert.Equal(7, uuid.Version);
        Assert.Equal("mine", into[1].Message.Id);
    }

    [Fact]
    public async Task ALeaseThatTheStoreFindsLost_IsReported_AndTheRestIsDone()
    {
        await Inner.SettleAsync("in", new[] { Settlement.Complete(_held[0].Token) }, default, Ending);

        var result = await CommitAsync(new QueueTransaction()
            .Enqueue("x", Make("1"))
            .Settle("in", Settlement.Complete(_held[0].Token))
            .Settle("in", Settlement.Complete(_held[1].Token)));

        Assert.False(result.Committed);
        Assert.Equal([_held[0].Token], result.LostLeases);
        Assert.Equal(["1"], await DrainAsync("x"));
        Assert.Equal("c", TextOf((await _sink.ReceivedAsync(3))[2]));
        Assert.Equal(1, _dispatchers.Get("in").OpenDeliveries);
    }

    [Fact]
    public async Task WhatTheStoreWouldRefuse_IsRefusedBeforeAnythingIsDone()
    {
        var tooBig = new Envelope(new byte[_store.Capabilities.MaxBodyBytes + 1]);
        await Assert.ThrowsAsync<InvalidMessageException>(() => CommitAsync(new QueueTransaction().Enqueue("x", Make("1")).Enqueue("y", tooBig)));
        await Assert.ThrowsAsync<InvalidNameException>(() => CommitAsync(new QueueTransaction().Enqueue("x", Make("1")).Enqueue("y!dead", Make("2"))));
        await Assert.ThrowsAsync<InvalidNameException>(() => CommitAsync(new QueueTransaction().Enqueue("x", Make("1")).Settle("", Settlement.Complete(default))));
        await using var plain = new QueueDispatchers(_store) { Routing = null };
        await Assert.ThrowsAsync<BackendCapabilityException>(
            () => plain.CommitAsync(new QueueTransaction().Enqueue("x", Make("1")).Publish("t", Make("2")), QueueTransactionMode.Ordered, Ending).AsTask());

        Assert.Empty(_store.Calls);
    }

    [Fact]
    public async Task ACancelledToken_ChangesNothing()
    {
        var transaction = new QueueTransaction().Enqueue("x", Make("1")).Settle("in", Settlement.Complete(_held[0].Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => _dispatchers.CommitAsync(transaction, QueueTransactionMode.Ordered, new CancellationToken(canceled: true)).AsTask());

        Assert.Empty(await DrainAsync("x"));
        var results = new SettleResult[1];
        await _consumer.SettleAsync(new[] { Settlement.Complete(_held[0].Token) }, results, Ending);
        Assert.Equal([SettleResult.Settled], results);
    }

    private static Envelope Make(string text) => new(Encoding.UTF8.GetBytes(text));

    private static string TextOf(Delivery delivery) => Encoding.UTF8.GetString(delivery.Message.Body.Span);

    private Task<TransactionResult> CommitAsync(QueueTransaction transaction) => _dispatchers.CommitAsync(transaction, QueueTransactionMode.Ordered, Ending).AsTask();

    private async Task<string[]> DrainAsync(string queue)
    {
        await using var receiver = await Inner.OpenReceiverAsync(queue, new ReceiverOptions { SettleOnLease = true }, Ending);
        var into = new Delivery[100];
        var count = await receiver.LeaseAsync(into, TimeSpan.Zero, Ending);
        return Array.ConvertAll(into[..count], TextOf);
    }
}
