using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

public abstract partial class QueueConformance<TFixture>
{
    [Fact]
    public async Task Q6_Complete_RemovesTheMessage()
    {
        await SendAsync(Make("m", id: "x"));
        await CompleteAsync(await TakeAsync(await OpenAsync(Clock.Unit)));
        await PassAsync(2 * Clock.Unit);
        await AssertNothingReadyAsync(await OpenAsync());
        Assert.Null(await Soon(Admin.GetMessageAsync(Queue, "x", Cancellation)));
        await AssertDepthsAsync();
        Assert.Equal(1, (await StatsAsync()).Completed);
    }

    [Fact]
    public async Task Q6_Release_MakesTheMessageReadyAtOnce()
    {
        await SendTextsAsync("m");
        var receiver = await OpenAsync();
        await SettledAsync(Settlement.Release((await TakeAsync(receiver)).Token));
        var again = await TakeAsync(receiver, "m");
        Assert.Equal(2, again.Attempt);
        Assert.True(again.Redelivered);
    }

    [Fact]
    public async Task Q6_Release_WithADelay_SchedulesTheMessage_AndKeepsItsError()
    {
        await SendAsync(Make("m", id: "x"));
        var delivery = await TakeAsync(await OpenAsync());
        await SettledAsync(Settlement.Release(delivery.Token, Clock.Unit, error: "try later"));
        await AssertDepthsAsync(scheduled: 1);
        var seen = (await Soon(Admin.GetMessageAsync(Queue, "x", Cancellation)))!;
        Assert.Equal((MessageState.Scheduled, 1, "try later"), (seen.State, seen.Attempts, seen.LastError));
        await PassAsync(Clock.Unit);
        var again = await TakeAsync(await OpenAsync(), "m");
        Assert.Equal(2, again.Attempt);
        Assert.True(again.Redelivered);
    }

    [Fact]
    public async Task Q6_Release_WithADelayBeyondTheLongest_IsShortenedToIt()
    {
        await SendAsync(Make("m", id: "x"));
        var delivery = await TakeAsync(await OpenAsync());
        await SettledAsync(Settlement.Release(delivery.Token, TimeSpan.MaxValue));
        await AssertDepthsAsync(scheduled: 1);
        var seen = (await Soon(Admin.GetMessageAsync(Queue, "x", Cancellation)))!;
        Assert.Equal(MessageState.Scheduled, seen.State);
        Assert.InRange(seen.DueAt!.Value - delivery.Message.EnqueuedAt, Store.Capabilities.MaxDelay / 2, Store.Capabilities.MaxDelay + TimeSpan.FromHours(1));
    }

    [Fact]
    public async Task Q6_DeadLetter_MovesTheMessage_WithReasonErrorAttemptsAndTime()
    {
        var headers = MessageHeaders.Create(new KeyValuePair<string, string>("h", "1"));
        await SendAsync(Make("m", 7, key: "k", ttl: Clock.LongLease, id: "x") with { Headers = headers, ContentType = "text/plain" });
        var receiver = await OpenAsync();
        await SettledAsync(Settlement.Release((await TakeAsync(receiver)).Token));
        await PassAsync(Clock.Unit);
        var delivery = await TakeAsync(receiver);
        await SettledAsync(Settlement.DeadLetter(delivery.Token, "bad-order", "no such customer"));
        await AssertNothingReadyAsync(receiver);
        await AssertDepthsAsync(dead: 1);

        var dead = await TakeAsync(await OpenAsync(queue: DeadQueue), "m");

        Assert.Equal(new MessageId("x"), dead.Message.Id);
        Assert.Equal(headers.ToArray(), dead.Message.Headers.ToArray());
        Assert.Equal(("text/plain", "k", 7), (dead.Message.ContentType, dead.Message.Key, dead.Message.Priority));
        var info = dead.Message.DeadLetter!;
        Assert.Equal(("bad-order", "no such customer", 2), (info.Reason, info.LastError, info.Attempts));
        Assert.Equal(delivery.Message.EnqueuedAt + Clock.Unit, info.At, Clock.Margin == TimeSpan.Zero ? TimeSpan.FromMilliseconds(1) : TimeSpan.FromMinutes(5));
        Assert.Equal(1, (await StatsAsync()).DeadLettered);
    }

    [Fact]
    public async Task Q6_DeadLetter_WithoutAnError_KeepsTheOneOfTheLastRelease()
    {
        await SendTextsAsync("m");
        var receiver = await OpenAsync();
        await SettledAsync(Settlement.Release((await TakeAsync(receiver)).Token, error: "first try"));
        await SettledAsync(Settlement.DeadLetter((await TakeAsync(receiver)).Token, "given-up"));
        var info = (await TakeAsync(await OpenAsync(queue: DeadQueue))).Message.DeadLetter!;
        Assert.Equal(("given-up", "first try", 2), (info.Reason, info.LastError, info.Attempts));
    }

    [Fact]
    public async Task Q6_ADeadLetterQueue_LeasesAndSettlesLikeAnyOther()
    {
        foreach (var text in new[] { "a", "b", "c" })
        {
            await BuryAsync(Make(text));
        }

        var receiver = await OpenAsync(Clock.Unit, DeadQueue);
        var deliveries = await PollAsync(receiver);
        Assert.Equal(["a", "b", "c"], Texts(deliveries));
        await CompleteInAsync(DeadQueue, deliveries[0]);
        await SettledAsync(Settlement.Release(deliveries[1].Token), DeadQueue);
        await PassAsync(Clock.Unit);
        await LostAsync(Settlement.Complete(deliveries[2].Token), DeadQueue);
        Assert.Equal(["b", "c"], await DrainAsync(DeadQueue));
    }

    [Fact]
    public async Task Q6_DeadLetteringADeadLetter_PutsItAtTheEnd_WithTheNewReason()
    {
        await BuryAsync(Make("a"), "first reason", "first error");
        await BuryAsync(Make("b"), "other");
        var receiver = await OpenAsync(queue: DeadQueue);
        await SettledAsync(Settlement.DeadLetter((await TakeAsync(receiver, "a")).Token, "second reason", "second error"), DeadQueue);
        await TakeAsync(receiver, "b");
        var again = await TakeAsync(receiver, "a");
        Assert.Equal(("second reason", "second error"), (again.Message.DeadLetter!.Reason, again.Message.DeadLetter.LastError));
    }

    [Fact]
    public async Task Q6_ADeadLetterQueue_ExistsWhenItsQueueDoes()
    {
        await SendTextsAsync("m");
        await AssertNothingReadyAsync(await OpenAsync(queue: DeadQueue));
        Assert.Equal(0, (await StatsAsync(DeadQueue)).Ready);
    }

    [Fact]
    public async Task Q6_NobodyEnqueuesIntoADeadLetterQueue()
    {
        await SendTextsAsync("m");
        await Assert.ThrowsAsync<InvalidNameException>(() => SendToAsync(DeadQueue, Make("dead on arrival")));
        await AssertDepthsAsync(ready: 1);
    }

    [Fact]
    public async Task Q6_AnEmptyBatch_DoesNothing()
    {
        await SendTextsAsync("m");
        Assert.Empty(await SettleAsync());
        Assert.Equal(["m"], await DrainAsync());
    }

    [Fact]
    public async Task Q6_Results_MayBeDeclined_OrLongerThanTheBatch_ButNotShorter()
    {
        await SendTextsAsync("a", "b", "c", "d");
        var deliveries = await PollAsync(await OpenAsync());
        var batch = Array.ConvertAll(deliveries, delivery => Settlement.Complete(delivery.Token));
        await Soon(Store.SettleAsync(Queue, batch.AsMemory(0, 1), default, Cancellation));
        await Soon(Store.SettleAsync(Queue, batch.AsMemory(1, 1), new SettleResult[5], Cancellation));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => Soon(Store.SettleAsync(Queue, batch.AsMemory(2, 2), new SettleResult[1], Cancellation)));
        await AssertDepthsAsync(leased: 2);
    }

    [Fact]
    public async Task Q6_TheCallersBuffers_AreNotReadAfterTheCall()
    {
        await SendTextsAsync("a", "b");
        var deliveries = await PollAsync(await OpenAsync());
        var batch = new[] { Settlement.Release(deliveries[0].Token, Clock.LongLease) };
        await Soon(Store.SettleAsync(Queue, batch, default, Cancellation));
        batch[0] = Settlement.Complete(deliveries[1].Token);
        await AssertDepthsAsync(scheduled: 1, leased: 1);
    }

    [Fact]
    public async Task Q6_ASettlementCancelledBeforehand_ChangesNothing()
    {
        await SendTextsAsync("m");
        var delivery = await TakeAsync(await OpenAsync());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => Soon(Store.SettleAsync(Queue, new[] { Settlement.Complete(delivery.Token) }, default, new CancellationToken(canceled: true))));
        await CompleteAsync(delivery);
    }

    [Fact]
    public async Task Q6_ASettlementCancelledUnderWay_TellsTheTruth()
    {
        const int Messages = 100;
        await SendTextsAsync([.. Enumerable.Range(0, Messages).Select(i => $"m{i}")]);
        foreach (var delivery in await PollAsync(await OpenAsync(), Messages))
        {
            using var cancellation = new CancellationTokenSource();
            var settle = Task.Run(() => Store.SettleAsync(Queue, new[] { Settlement.Complete(delivery.Token) }, default, cancellation.Token).AsTask(), Cancellation);
            await cancellation.CancelAsync();
            var settled = true;
            try
            {
                await Soon(settle);
            }
            catch (OperationCanceledException)
            {
                settled = false;
            }

            Assert.Equal([settled ? SettleResult.LeaseLost : SettleResult.Settled], await SettleAsync(Settlement.Complete(delivery.Token)));
        }
    }
}
