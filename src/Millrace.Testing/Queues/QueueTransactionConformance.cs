using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

/// <summary>The laws T1 and T2 of <see cref="IQueueTransactions"/>. Derive from it to prove a queue store.</summary>
/// <typeparam name="TFixture">The backend under test.</typeparam>
public abstract class QueueTransactionConformance<TFixture> : QueueSuite<TFixture>
    where TFixture : BackendFixture, new()
{
    private IQueueTransactions Transactions => Contract<IQueueTransactions>();

    private string OtherQueue => Queue + "-2";

    [Fact]
    public async Task T1_EnqueuesAndSettlements_OverSeveralQueues_AreAppliedTogether()
    {
        await SendTextsAsync("in 1", "in 2", "in 3");
        var deliveries = await PollAsync(await OpenAsync());
        await CommitAsync(new QueueTransaction()
            .Settle(Queue, Settlement.Complete(deliveries[0].Token))
            .Enqueue(OtherQueue, Make("out 1"))
            .Settle(Queue, Settlement.DeadLetter(deliveries[1].Token, "spoilt"))
            .Enqueue(Queue, Make("back in"))
            .Settle(Queue, Settlement.Release(deliveries[2].Token, error: "e"))
            .Enqueue(OtherQueue, Make("out 2")));
        Assert.Equal(["out 1", "out 2"], await DrainAsync(OtherQueue));
        Assert.Equal(["in 3", "back in"], await DrainAsync());
        Assert.Equal(["in 2"], await DrainAsync(DeadQueue));
    }

    [Fact]
    public async Task T1_Settlements_InSeveralQueues_AreAppliedTogether()
    {
        await SendTextsAsync("a");
        await SendToAsync(OtherQueue, Make("b"));
        var a = await TakeAsync(await OpenAsync());
        var b = await TakeAsync(await OpenAsync(queue: OtherQueue));
        await CommitAsync(new QueueTransaction().Settle(Queue, Settlement.Complete(a.Token)).Settle(OtherQueue, Settlement.Complete(b.Token)));
        await LostAsync(Settlement.Complete(a.Token));
        await LostAsync(Settlement.Complete(b.Token), OtherQueue);
    }

    [Fact]
    public async Task T1_AnEmptyTransaction_IsCommitted() => await CommitAsync(new QueueTransaction());

    [Fact]
    public async Task T1_AFullQueue_ChangesNothingAnywhere()
    {
        Require(QueueFeatures.Bounds);
        await CreateAsync(new QueueSettings { MaxLength = 2 });
        await SendTextsAsync("a", "b");
        var delivery = await TakeAsync(await OpenAsync());
        await Assert.ThrowsAsync<QueueFullException>(() => CommitAsync(new QueueTransaction()
            .Enqueue(OtherQueue, Make("x", id: "x"))
            .Enqueue(Queue, Make("c"))
            .Settle(Queue, Settlement.Complete(delivery.Token))));
        Assert.Empty(await DrainAsync(OtherQueue));
        await CompleteAsync(delivery);
        Assert.Equal(["b"], await DrainAsync());
        Assert.Equal(EnqueueOutcome.Stored, (await SendToAsync(OtherQueue, Make("x", id: "x")))[0].Outcome);
    }

    [Fact]
    public async Task T1_Operations_AreAppliedInTheirOrder_SoThatASettlementMakesRoom()
    {
        Require(QueueFeatures.Bounds);
        await CreateAsync(new QueueSettings { MaxLength = 1 });
        await SendTextsAsync("old");
        var delivery = await TakeAsync(await OpenAsync());
        await CommitAsync(new QueueTransaction().Settle(Queue, Settlement.Complete(delivery.Token)).Enqueue(Queue, Make("new")));
        Assert.Equal(["new"], await DrainAsync());
    }

    [Fact]
    public async Task T1_ABadMessageOrName_ChangesNothingAnywhere()
    {
        await SendTextsAsync("a");
        var delivery = await TakeAsync(await OpenAsync());
        await Assert.ThrowsAsync<InvalidMessageException>(() => CommitAsync(new QueueTransaction()
            .Settle(Queue, Settlement.Complete(delivery.Token)).Enqueue(OtherQueue, Make("good")).Enqueue(OtherQueue, Make("bad", 10))));
        await Assert.ThrowsAsync<InvalidNameException>(() => CommitAsync(new QueueTransaction()
            .Settle(Queue, Settlement.Complete(delivery.Token)).Enqueue(OtherQueue, Make("good")).Enqueue("a!b", Make("m"))));
        await Assert.ThrowsAsync<InvalidNameException>(() => CommitAsync(new QueueTransaction().Enqueue(DeadQueue, Make("m"))));
        Assert.Empty(await DrainAsync(OtherQueue));
        await CompleteAsync(delivery);
    }

    [Fact]
    public async Task T1_Publishes_ReachTheQueuesThatAreBoundAtTheCommit()
    {
        var routing = Contract<IQueueRouting>();
        await SendTextsAsync("in");
        var delivery = await TakeAsync(await OpenAsync());
        var transaction = new QueueTransaction()
            .Publish(Queue + ".t", Make("event")).Enqueue(Queue + "-3", Make("direct")).Settle(Queue, Settlement.Complete(delivery.Token));
        await Soon(routing.BindAsync(OtherQueue, TopicPattern.Parse(Queue + ".*"), Cancellation));
        await Soon(routing.BindAsync(Queue + "-3", TopicPattern.Parse(Queue + ".t"), Cancellation));
        await CommitAsync(transaction);
        Assert.Equal(["event"], await DrainAsync(OtherQueue));
        Assert.Equal(["event", "direct"], await DrainAsync(Queue + "-3"));
        Assert.Empty(await DrainAsync());
    }

    [Fact]
    public async Task T1_ADuplicate_IsNoReasonToFail()
    {
        Require(QueueFeatures.Deduplication);
        await SendToAsync(OtherQueue, Make("first", id: "x"));
        await CommitAsync(new QueueTransaction().Enqueue(OtherQueue, Make("again", id: "x")).Enqueue(OtherQueue, Make("y", id: "y")).Enqueue(OtherQueue, Make("y", id: "y")));
        Assert.Equal(["first", "y"], await DrainAsync(OtherQueue));
    }

    [Fact]
    public async Task T1_ACommit_WakesWaitingLeases()
    {
        var waiting = WaitAsync(await OpenAsync(queue: OtherQueue));
        await StillWaits(waiting);
        await CommitAsync(new QueueTransaction().Enqueue(Queue, Make("a")).Enqueue(OtherQueue, Make("b")));
        Assert.Equal("b", Text(await Soon(waiting)));
    }

    [Fact]
    public async Task T1_ACommitCancelledBeforehand_ChangesNothing()
    {
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => Soon(Transactions.CommitAsync(new QueueTransaction().Enqueue(Queue, Make("m")), new CancellationToken(canceled: true))));
        Assert.Empty(await DrainAsync());
    }

    [Fact]
    public async Task T1_Transfers_ThatRunBesideEachOther_KeepTheSum()
    {
        const int Messages = 40;
        await SendTextsAsync([.. Enumerable.Range(0, Messages).Select(i => $"{i}")]);
        var moved = await Task.WhenAll(Enumerable.Range(0, 4).Select(n => Task.Run(
            async () =>
            {
                var (from, to) = n % 2 == 0 ? (Queue, OtherQueue) : (OtherQueue, Queue);
                var count = 0;
                await using var receiver = await Store.OpenReceiverAsync(from, new ReceiverOptions { LeaseDuration = Clock.LongLease }, Cancellation);
                for (var round = 0; round < 60; round++)
                {
                    if (await PollAsync(receiver, 1) is [var delivery])
                    {
                        await CommitAsync(new QueueTransaction().Enqueue(to, new Envelope(delivery.Message.Body)).Settle(from, Settlement.Complete(delivery.Token)));
                        count++;
                    }
                }

                return count;
            },
            Cancellation)));
        Assert.True(moved.Sum() > 0);
        var left = (await DrainAsync()).Concat(await DrainAsync(OtherQueue)).ToList();
        Assert.Equal(Messages, left.Count);
        Assert.Equal(Messages, left.Distinct().Count());
    }

    [Fact]
    public async Task T1_ACommittedTransaction_SurvivesACrash_Whole()
    {
        RequireReopening();
        await SendTextsAsync("in");
        var delivery = await TakeAsync(await OpenAsync(Clock.Unit));
        await CommitAsync(new QueueTransaction().Settle(Queue, Settlement.Complete(delivery.Token)).Enqueue(OtherQueue, Make("out")));
        await CrashAsync();
        await PassAsync(Clock.Unit);
        Assert.Empty(await DrainAsync());
        Assert.Equal(["out"], await DrainAsync(OtherQueue));
    }

    [Fact]
    public async Task T2_OneLostLease_FailsTheWholeTransaction_AndIsNamed()
    {
        await SendTextsAsync("lost", "held");
        var lost = await TakeAsync(await OpenAsync(Clock.Unit));
        var held = await TakeAsync(await OpenAsync());
        await PassAsync(Clock.Unit);

        var result = await Soon(Transactions.CommitAsync(
            new QueueTransaction()
                .Enqueue(OtherQueue, Make("out"))
                .Settle(Queue, Settlement.Complete(held.Token))
                .Settle(Queue, Settlement.Complete(lost.Token))
                .Enqueue(Queue, Make("more")),
            Cancellation));

        Assert.False(result.Committed);
        Assert.Equal([lost.Token], result.LostLeases);
        Assert.Empty(await DrainAsync(OtherQueue));
        await CompleteAsync(held);
        Assert.Equal(["lost"], await DrainAsync());
    }

    [Fact]
    public async Task T2_SettledInventedAndForeignTokens_FailItToo()
    {
        await SendTextsAsync("a", "b");
        await SendToAsync(OtherQueue, Make("c"));
        var deliveries = await PollAsync(await OpenAsync());
        var foreign = await TakeAsync(await OpenAsync(queue: OtherQueue));
        await CompleteAsync(deliveries[0]);
        foreach (var token in new[] { deliveries[0].Token, new LeaseToken(1, 2), foreign.Token })
        {
            var result = await Soon(Transactions.CommitAsync(
                new QueueTransaction().Settle(Queue, Settlement.Complete(deliveries[1].Token)).Settle(Queue, Settlement.Complete(token)), Cancellation));
            Assert.False(result.Committed);
            Assert.Equal([token], result.LostLeases);
        }

        await CompleteAsync(deliveries[1]);
        await CompleteInAsync(OtherQueue, foreign);
    }

    [Fact]
    public async Task T2_OneTokenTwice_FailsIt()
    {
        await SendTextsAsync("m");
        var delivery = await TakeAsync(await OpenAsync());
        var result = await Soon(Transactions.CommitAsync(
            new QueueTransaction().Settle(Queue, Settlement.Release(delivery.Token)).Settle(Queue, Settlement.Complete(delivery.Token)), Cancellation));
        Assert.False(result.Committed);
        await CompleteAsync(delivery);
    }

    [Fact]
    public async Task T2_OfManyRivalsForOneLease_OneCommits()
    {
        for (var round = 0; round < 20; round++)
        {
            await SendTextsAsync("m");
            var token = (await TakeAsync(await OpenAsync())).Token;
            var results = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => Task.Run(
                () => Soon(Transactions.CommitAsync(new QueueTransaction().Enqueue(OtherQueue, Make($"{i}")).Settle(Queue, Settlement.Complete(token)), Cancellation)), Cancellation)));
            Assert.Equal(1, results.Count(result => result.Committed));
            Assert.Single(await DrainAsync(OtherQueue));
        }
    }

    private async Task CommitAsync(QueueTransaction transaction)
    {
        var result = await Soon(Transactions.CommitAsync(transaction, Cancellation));
        Assert.True(result.Committed);
        Assert.Empty(result.LostLeases);
    }
}
