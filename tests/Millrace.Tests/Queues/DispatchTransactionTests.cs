using System.Text;
using Millrace.Queues;
using Millrace.Storage;
using Millrace.Storage.InMemory;
using Millrace.Testing;
using Millrace.Tests.Hosting;
using Xunit;

namespace Millrace.Tests.Queues;

/// <summary>Transactions over deliveries that consumers hold, on the in-memory store.</summary>
public sealed class DispatchTransactionTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TestScale.Patience;

    private readonly ManualTimeProvider _clock = new();
    private Backend _backend = null!;
    private HeldTransactions _held = null!;
    private QueueDispatchers _dispatchers = null!;

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    private IQueueStore Store => _backend.Queues!;

    public async ValueTask InitializeAsync()
    {
        _backend = await InMemoryBackend.OpenAsync(BackendUrl.Parse("memory:"), new BackendContext { TimeProvider = _clock }, Ending);
        _held = new HeldTransactions(_backend.Require<IQueueTransactions>());
        _dispatchers = new QueueDispatchers(Store, null, _clock);
    }

    public async ValueTask DisposeAsync()
    {
        _held.Answer();
        await _dispatchers.DisposeAsync();
        await _backend.DisposeAsync();
    }

    [Fact]
    public async Task T1_ACommit_SettlesAndSendsTogether_AndGivesTheCreditBack()
    {
        var (sink, _) = Add("in", credit: 2);
        var (other, _) = Add("in-2", credit: 1);
        await SendAsync("in", "a", "b", "c", "d");
        await SendAsync("in-2", "x", "y");
        var held = await sink.ReceivedAsync(2);
        var heldToo = await other.ReceivedAsync(1);

        var result = await _dispatchers.CommitAsync(
            new QueueTransaction()
                .Settle("in", Settlement.Complete(held[0].Token))
                .Enqueue("out", Make("a'"))
                .Settle("in-2", Settlement.Complete(heldToo[0].Token))
                .Settle("in", Settlement.DeadLetter(held[1].Token, "spoilt"))
                .Enqueue("out", Make("b'")),
            cancellationToken: Ending);

        Assert.True(result.Committed);
        Assert.Empty(result.LostLeases);
        Assert.Equal(["a", "b", "c", "d"], Texts(await sink.ReceivedAsync(4)));
        Assert.Equal(["x", "y"], Texts(await other.ReceivedAsync(2)));
        Assert.Equal(["a'", "b'"], await DrainAsync("out"));
        Assert.Equal(["b"], await DrainAsync("in!dead"));
        Assert.Equal(2, _dispatchers.Get("in").OpenDeliveries);
        Assert.Equal(1, _dispatchers.Get("in-2").OpenDeliveries);
    }

    [Fact]
    public async Task T1_DeliveriesOfSeveralConsumers_GiveEachItsCredit()
    {
        var (first, _) = Add("q", credit: 1);
        var (second, _) = Add("q", credit: 1);
        await SendAsync("q", "a", "b", "c", "d");
        var (a, b) = ((await first.ReceivedAsync(1))[0], (await second.ReceivedAsync(1))[0]);

        await _dispatchers.CommitAsync(
            new QueueTransaction().Settle("q", Settlement.Complete(a.Token)).Settle("q", Settlement.Complete(b.Token)), cancellationToken: Ending);

        await first.ReceivedAsync(2);
        await second.ReceivedAsync(2);
    }

    [Fact]
    public async Task T1_AFullQueue_LeavesTheDeliveriesOpen()
    {
        await _backend.Require<IQueueAdmin>().CreateQueueAsync("out", new QueueSettings { MaxLength = 1 }, Ending);
        await SendAsync("out", "full");
        var (sink, consumer) = Add("in", credit: 1);
        await SendAsync("in", "a", "b");
        var held = (await sink.ReceivedAsync(1))[0];

        await Assert.ThrowsAsync<QueueFullException>(() => CommitAsync(new QueueTransaction().Settle("in", Settlement.Complete(held.Token)).Enqueue("out", Make("a'"))));

        Assert.Equal(1, _dispatchers.Get("in").OpenDeliveries);
        Assert.Single(sink.Deliveries);
        Assert.Equal(SettleResult.Settled, await SettleAsync(consumer, held));
        Assert.Equal("b", Texts(await sink.ReceivedAsync(2))[1]);
    }

    [Fact]
    public async Task T2_ALeaseThatTheStoreFindsLost_LeavesTheDeliveriesOpen()
    {
        var (sink, consumer) = Add("q", credit: 2);
        await SendAsync("q", "a", "b");
        var held = await sink.ReceivedAsync(2);
        await Store.SettleAsync("q", new[] { Settlement.Complete(held[0].Token) }, default, Ending);

        var result = await CommitAsync(
            new QueueTransaction().Settle("q", Settlement.Complete(held[0].Token)).Settle("q", Settlement.Complete(held[1].Token)).Enqueue("out", Make("c")));

        Assert.False(result.Committed);
        Assert.Equal([held[0].Token], result.LostLeases);
        Assert.Equal(2, _dispatchers.Get("q").OpenDeliveries);
        Assert.Empty(await DrainAsync("out"));
        Assert.Equal(SettleResult.LeaseLost, await SettleAsync(consumer, held[0]));
        Assert.Equal(SettleResult.Settled, await SettleAsync(consumer, held[1]));
        Assert.Equal(0, _dispatchers.Get("q").OpenDeliveries);
    }

    [Fact]
    public async Task T2_ALeaseThatTheDispatcherKnowsToBeLost_IsNotTakenToTheStore()
    {
        await using var dispatchers = new QueueDispatchers(Store, null, _clock) { Transactions = _held };
        var (sink, goneSink) = (new RecordingSink(), new RecordingSink());
        var consumer = dispatchers.Get("q").AddConsumer(sink, new DispatchConsumerOptions { Credit = 1 });
        var goneConsumer = dispatchers.Get("gone").AddConsumer(goneSink, new DispatchConsumerOptions { Credit = 1 });
        await SendAsync("q", "a");
        await SendAsync("gone", "b");
        var held = (await sink.ReceivedAsync(1))[0];
        var lost = (await goneSink.ReceivedAsync(1))[0];
        await _backend.Require<IQueueAdmin>().DeleteQueueAsync("gone", Ending);

        // The two renewals sleep, and the store waits for the end of the lease.
        await ManualTime.AdvanceUntilAsync(_clock, () => goneSink.Lost.Length == 1, Ending, timers: 3);

        var result = await dispatchers.CommitAsync(
            new QueueTransaction().Settle("q", Settlement.Complete(held.Token)).Settle("gone", Settlement.Complete(lost.Token)), cancellationToken: Ending);

        Assert.False(result.Committed);
        Assert.Equal([lost.Token], result.LostLeases);
        Assert.False(_held.Entered.IsCompleted);
        Assert.Equal((1, 1), (dispatchers.Get("q").OpenDeliveries, dispatchers.Get("gone").OpenDeliveries));
        Assert.Equal(SettleResult.LeaseLost, await SettleAsync(goneConsumer, lost));
        Assert.Equal(SettleResult.Settled, await SettleAsync(consumer, held));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AConsumerThatClosesDuringACommit_LeavesItsDeliveryToTheTransaction(bool isLast)
    {
        await using var dispatchers = new QueueDispatchers(Store, null, _clock) { Transactions = _held };
        var (commit, consumer, _) = await BeginAsync(dispatchers, Ending);
        if (!isLast)
        {
            dispatchers.Get("q").AddConsumer(new RecordingSink(), new DispatchConsumerOptions { Credit = 0 });
        }

        var closing = consumer.DisposeAsync().AsTask();
        if (!isLast)
        {
            await closing.WaitAsync(Patience, Ending);
        }

        _held.Answer();

        Assert.True((await commit).Committed);
        await closing.WaitAsync(Patience, Ending);
        Assert.Equal(0, dispatchers.Get("q").OpenDeliveries);
        Assert.Equal(["done"], await DrainAsync("out"));
        Assert.Equal(["b"], await DrainAsync("q"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AConsumerThatClosesDuringACommitThatFails_GivesItsDeliveryBackOnce(bool isLast)
    {
        await using var dispatchers = new QueueDispatchers(Store, null, _clock) { Transactions = _held };
        var (commit, consumer, held) = await BeginAsync(dispatchers, Ending);
        var stays = new RecordingSink();
        if (!isLast)
        {
            dispatchers.Get("q").AddConsumer(stays, new DispatchConsumerOptions { Credit = 10 });
        }

        var closing = consumer.DisposeAsync().AsTask();
        if (!isLast)
        {
            await closing.WaitAsync(Patience, Ending);
        }

        _held.Fail(new BackendUnavailableException("cut"));

        await Assert.ThrowsAsync<BackendUnavailableException>(() => commit);
        await closing.WaitAsync(Patience, Ending);
        if (isLast)
        {
            Assert.Equal(["a", "b"], await DrainAsync("q"));
            return;
        }

        var again = await stays.ReceivedAsync(2);
        Assert.Equal(["a", "b"], Texts(again).Order());
        Assert.Equal(2, Assert.Single(again, delivery => delivery.Message.Id == held.Message.Id).Attempt);
        Assert.Equal(2, dispatchers.Get("q").OpenDeliveries);
    }

    [Fact]
    public async Task ACancelledCommit_LeavesTheDeliveriesOpen()
    {
        await using var dispatchers = new QueueDispatchers(Store, null, _clock) { Transactions = _held };
        using var cancellation = new CancellationTokenSource();
        var (commit, consumer, held) = await BeginAsync(dispatchers, cancellation.Token);

        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => commit);
        Assert.Equal(SettleResult.Settled, await SettleAsync(consumer, held));
    }

    [Fact]
    public async Task AStoreWithoutTransactions_RefusesAnAtomicOne()
    {
        var dispatchers = new QueueDispatchers(new StoreWithoutTransactions(Store), null, _clock);

        var refused = await Assert.ThrowsAsync<BackendCapabilityException>(() => dispatchers.CommitAsync(new QueueTransaction(), cancellationToken: Ending).AsTask());

        Assert.Equal(("plain", "queue transactions"), (refused.Backend, refused.Capability));
    }

    [Fact]
    public async Task Ordered_OnAStoreWithTransactions_UsesThem()
    {
        await using var dispatchers = new QueueDispatchers(Store, null, _clock) { Transactions = _held };
        var commit = dispatchers.CommitAsync(new QueueTransaction().Enqueue("out", Make("a")), QueueTransactionMode.Ordered, Ending).AsTask();

        await _held.Entered.WaitAsync(Patience, Ending);
        _held.Answer();

        Assert.True((await commit).Committed);
    }

    private static Envelope Make(string text) => new(Encoding.UTF8.GetBytes(text));

    private static string[] Texts(Delivery[] deliveries) => Array.ConvertAll(deliveries, delivery => Encoding.UTF8.GetString(delivery.Message.Body.Span));

    private static async Task<SettleResult> SettleAsync(DispatchConsumer consumer, Delivery delivery)
    {
        var results = new SettleResult[1];
        await consumer.SettleAsync(new[] { Settlement.Complete(delivery.Token) }, results, Ending);
        return results[0];
    }

    private (RecordingSink Sink, DispatchConsumer Consumer) Add(string queue, int credit)
    {
        var sink = new RecordingSink();
        return (sink, _dispatchers.Get(queue).AddConsumer(sink, new DispatchConsumerOptions { Credit = credit }));
    }

    private Task<TransactionResult> CommitAsync(QueueTransaction transaction) => _dispatchers.CommitAsync(transaction, cancellationToken: Ending).AsTask();

    private async Task<(Task<TransactionResult> Commit, DispatchConsumer Consumer, Delivery Held)> BeginAsync(
        QueueDispatchers dispatchers, CancellationToken cancellationToken)
    {
        var sink = new RecordingSink();
        var consumer = dispatchers.Get("q").AddConsumer(sink, new DispatchConsumerOptions { Credit = 1 });
        await SendAsync("q", "a", "b");
        var held = (await sink.ReceivedAsync(1))[0];
        var commit = dispatchers.CommitAsync(
            new QueueTransaction().Settle("q", Settlement.Complete(held.Token)).Enqueue("out", Make("done")), cancellationToken: cancellationToken).AsTask();
        await _held.Entered.WaitAsync(Patience, Ending);
        return (commit, consumer, held);
    }

    private ValueTask SendAsync(string queue, params string[] texts) => Store.EnqueueAsync(queue, Array.ConvertAll(texts, Make), default, Ending);

    private async Task<string[]> DrainAsync(string queue)
    {
        await using var receiver = await Store.OpenReceiverAsync(queue, new ReceiverOptions { SettleOnLease = true }, Ending);
        var into = new Delivery[100];
        var count = await receiver.LeaseAsync(into, TimeSpan.Zero, Ending);
        return Texts(into[..count]);
    }
}
