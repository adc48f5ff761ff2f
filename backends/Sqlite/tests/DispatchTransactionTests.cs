using System.Text;
using System.Threading.Channels;
using Millrace.Queues;
using Millrace.Storage;
using Xunit;

namespace Millrace.Sqlite.Tests;

/// <summary>Transactions over deliveries that the consumers of dispatchers hold.</summary>
public sealed class DispatchTransactionTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TestScale.Patience;

    private readonly TemporaryFolder _folder = new();
    private readonly Sink _sink = new();
    private Backend _backend = null!;
    private QueueDispatchers _dispatchers = null!;

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    private IQueueStore Queues => _backend.Queues!;

    public async ValueTask InitializeAsync()
    {
        _backend = await SqliteBackend.OpenAsync(BackendUrl.Parse(_folder.Url()), new BackendContext(), Ending);
        _dispatchers = new QueueDispatchers(Queues);
    }

    public async ValueTask DisposeAsync()
    {
        await _dispatchers.DisposeAsync();
        await _backend.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(QueueTransactionMode.Atomic)]
    [InlineData(QueueTransactionMode.Ordered)]
    public async Task T1_ACommit_SettlesAndSendsTogether_AndGivesTheCreditBack(QueueTransactionMode mode)
    {
        Add(credit: 1);
        await SendAsync("a", "b");
        var a = await _sink.TakeAsync();

        var result = await _dispatchers.CommitAsync(
            new QueueTransaction().Settle("in", Settlement.Complete(a.Token)).Enqueue("out", Make("a'")).Enqueue("out", Make("a''")), mode, Ending);

        Assert.True(result.Committed);
        Assert.Equal("b", TextOf(await _sink.TakeAsync()));
        Assert.Equal(1, _dispatchers.Get("in").OpenDeliveries);
        Assert.Equal(["a'", "a''"], await DrainAsync("out"));
    }

    [Fact]
    public async Task T2_ALostLease_ChangesNothing_AndLeavesTheDeliveriesOpen()
    {
        var consumer = Add(credit: 2);
        await SendAsync("a", "b", "c");
        var (a, b) = (await _sink.TakeAsync(), await _sink.TakeAsync());
        await Queues.SettleAsync("in", new[] { Settlement.Complete(a.Token) }, default, Ending);

        var result = await _dispatchers.CommitAsync(
            new QueueTransaction()
                .Enqueue("out", Make("x"))
                .Settle("in", Settlement.Complete(b.Token))
                .Settle("in", Settlement.Complete(a.Token)),
            cancellationToken: Ending);

        Assert.False(result.Committed);
        Assert.Equal([a.Token], result.LostLeases);
        Assert.Equal(2, _dispatchers.Get("in").OpenDeliveries);
        Assert.Empty(await DrainAsync("out"));
        var results = new SettleResult[2];
        await consumer.SettleAsync(new[] { Settlement.Complete(a.Token), Settlement.Complete(b.Token) }, results, Ending);
        Assert.Equal([SettleResult.LeaseLost, SettleResult.Settled], results);
        Assert.Equal("c", TextOf(await _sink.TakeAsync()));
    }

    [Fact]
    public async Task AConsumerThatClosesDuringACommit_LeavesItsDeliveryToTheTransaction()
    {
        var held = new HeldTransactions(_backend.Require<IQueueTransactions>());
        await using var dispatchers = new QueueDispatchers(Queues) { Transactions = held };
        var consumer = dispatchers.Get("in").AddConsumer(_sink, new DispatchConsumerOptions { Credit = 1 });
        await SendAsync("a", "b");
        var a = await _sink.TakeAsync();
        var commit = dispatchers.CommitAsync(new QueueTransaction().Settle("in", Settlement.Complete(a.Token)).Enqueue("out", Make("a'")), cancellationToken: Ending).AsTask();

        var closing = consumer.DisposeAsync().AsTask();
        Assert.False(closing.IsCompleted);
        held.Answer();

        Assert.True((await commit.WaitAsync(Patience, Ending)).Committed);
        await closing.WaitAsync(Patience, Ending);
        Assert.Equal(0, dispatchers.Get("in").OpenDeliveries);
        Assert.Equal(["a'"], await DrainAsync("out"));
        Assert.Equal(["b"], await DrainAsync("in"));
    }

    private static Envelope Make(string text) => new(Encoding.UTF8.GetBytes(text));

    private static string TextOf(Delivery delivery) => Encoding.UTF8.GetString(delivery.Message.Body.Span);

    private DispatchConsumer Add(int credit) => _dispatchers.Get("in").AddConsumer(_sink, new DispatchConsumerOptions { Credit = credit });

    private ValueTask SendAsync(params string[] texts) => Queues.EnqueueAsync("in", Array.ConvertAll(texts, Make), default, Ending);

    private async Task<string[]> DrainAsync(string queue)
    {
        await using var receiver = await Queues.OpenReceiverAsync(queue, new ReceiverOptions { SettleOnLease = true }, Ending);
        var into = new Delivery[100];
        var count = await receiver.LeaseAsync(into, TimeSpan.Zero, Ending);
        return Array.ConvertAll(into[..count], TextOf);
    }

    /// <summary>Takes a transaction to the store when it is let.</summary>
    private sealed class HeldTransactions(IQueueTransactions inner) : IQueueTransactions
    {
        private readonly TaskCompletionSource _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Answer() => _answer.SetResult();

        public async ValueTask<TransactionResult> CommitAsync(QueueTransaction transaction, CancellationToken cancellationToken = default)
        {
            await _answer.Task.WaitAsync(cancellationToken);
            return await inner.CommitAsync(transaction, cancellationToken);
        }
    }

    private sealed class Sink : IDeliverySink
    {
        private readonly Channel<Delivery> _deliveries = Channel.CreateUnbounded<Delivery>();

        public void OnDeliveries(ReadOnlySpan<Delivery> deliveries)
        {
            foreach (var delivery in deliveries)
            {
                _deliveries.Writer.TryWrite(delivery);
            }
        }

        public void OnLeaseLost(LeaseToken token)
        {
        }

        public Task<Delivery> TakeAsync() => _deliveries.Reader.ReadAsync(Ending).AsTask().WaitAsync(Patience, Ending);
    }
}
