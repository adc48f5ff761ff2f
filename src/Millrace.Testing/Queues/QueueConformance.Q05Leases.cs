using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

public abstract partial class QueueConformance<TFixture>
{
    [Fact]
    public async Task Q5_ADelivery_IsExclusiveUntilItsLeaseEnds()
    {
        await SendTextsAsync("m");
        var first = await OpenAsync(Clock.Unit);
        var second = await OpenAsync();
        var delivery = await TakeAsync(first);
        await AssertNothingReadyAsync(first);
        await PassAlmostAsync(Clock.Unit);
        await AssertNothingReadyAsync(second);

        await PassAsync(Clock.Unit);

        var again = await TakeAsync(second, "m");
        Assert.NotEqual(delivery.Token, again.Token);
        Assert.Equal(delivery.Message.Id, again.Message.Id);
    }

    [Fact]
    public async Task Q5_ALostLease_ReturnsTheMessageWithOneAttemptMore()
    {
        await SendTextsAsync("m");
        var receiver = await OpenAsync(Clock.Unit);
        for (var attempt = 1; attempt <= 3; attempt++)
        {
            var delivery = await TakeAsync(receiver);
            Assert.Equal(attempt, delivery.Attempt);
            Assert.Equal(attempt > 1, delivery.Redelivered);
            await PassAsync(Clock.Unit);
        }
    }

    [Fact]
    public async Task Q5_ALeaseEndsAtItsTime_NotWhenSomebodyLooks()
    {
        await SendTextsAsync("a", "b", "c");
        var deliveries = await PollAsync(await OpenAsync(Clock.Unit));
        await PassAsync(Clock.Unit);

        await LostAsync(Settlement.Complete(deliveries[0].Token));
        await LostAsync(Settlement.Release(deliveries[1].Token, Clock.LongLease));
        await LostAsync(Settlement.DeadLetter(deliveries[2].Token, "late"));

        await AssertDepthsAsync(ready: 3);
        Assert.Equal(["a", "b", "c"], await DrainAsync());
    }

    [Fact]
    public async Task Q5_AnOldToken_DoesNotTouchTheNextLease()
    {
        await SendTextsAsync("m");
        var old = await TakeAsync(await OpenAsync(Clock.Unit));
        await PassAsync(Clock.Unit);
        var current = await TakeAsync(await OpenAsync());

        await LostAsync(Settlement.Complete(old.Token));
        await LostAsync(Settlement.Release(old.Token));
        await LostAsync(Settlement.DeadLetter(old.Token, "late"));

        await AssertNothingReadyAsync(await OpenAsync());
        await CompleteAsync(current);
    }

    [Fact]
    public async Task Q5_ATokenSettlesOnce()
    {
        await SendTextsAsync("a", "b");
        var deliveries = await PollAsync(await OpenAsync());
        await CompleteAsync(deliveries[0]);
        await LostAsync(Settlement.Complete(deliveries[0].Token));

        await SettledAsync(Settlement.Release(deliveries[1].Token));
        await LostAsync(Settlement.Release(deliveries[1].Token));
        await LostAsync(Settlement.DeadLetter(deliveries[1].Token, "x"));
        Assert.Equal(["b"], await DrainAsync());
    }

    [Fact]
    public async Task Q5_ATokenTwiceInOneBatch_SettlesOnce()
    {
        await SendTextsAsync("m");
        var token = (await TakeAsync(await OpenAsync())).Token;
        Assert.Equal([SettleResult.Settled, SettleResult.LeaseLost], await SettleAsync(Settlement.Release(token), Settlement.Complete(token)));
        Assert.Equal(["m"], await DrainAsync());
    }

    [Fact]
    public async Task Q5_ABatchOfSettlements_HasOneResultEachInOrder_AndALostOneFailsNoOther()
    {
        await SendTextsAsync("a", "b", "c");
        var deliveries = await PollAsync(await OpenAsync());
        await CompleteAsync(deliveries[1]);
        var results = await SettleAsync(
            Settlement.Complete(deliveries[0].Token),
            Settlement.Complete(deliveries[1].Token),
            Settlement.Complete(new LeaseToken(1, 2)),
            Settlement.Complete(deliveries[2].Token));
        Assert.Equal([SettleResult.Settled, SettleResult.LeaseLost, SettleResult.LeaseLost, SettleResult.Settled], results);
        await AssertDepthsAsync();
    }

    [Fact]
    public async Task Q5_InventedTokens_AreLost()
    {
        await SendTextsAsync("m");
        var receiver = await OpenAsync();
        var delivery = await TakeAsync(receiver);
        LeaseToken[] invented =
        [
            default,
            new(ulong.MaxValue, ulong.MaxValue),
            delivery.Token with { Low = delivery.Token.Low ^ (1UL << 63) },
            delivery.Token with { High = delivery.Token.High ^ (1UL << 63) },
            new(delivery.Token.Low, ~delivery.Token.High),
        ];
        foreach (var token in invented)
        {
            await LostAsync(Settlement.Complete(token));
        }

        await CompleteAsync(delivery);
    }

    [Fact]
    public async Task Q5_ATokenOfAnotherQueue_IsLost_AndStaysGoodInItsOwn()
    {
        await SendTextsAsync("m");
        await SendToAsync(Queue + "-other", Make("other"));
        var delivery = await TakeAsync(await OpenAsync());
        await LostAsync(Settlement.Complete(delivery.Token), Queue + "-other");
        await LostAsync(Settlement.Complete(delivery.Token), DeadQueue);
        await LostAsync(Settlement.Complete(delivery.Token), Queue + "-absent");
        await CompleteAsync(delivery);
        Assert.Equal(["other"], await DrainAsync(Queue + "-other"));
    }

    [Fact]
    public async Task Q5_AToken_SurvivesItsTextForm()
    {
        await SendTextsAsync("m");
        var delivery = await TakeAsync(await OpenAsync());
        await SettledAsync(Settlement.Complete(LeaseToken.Parse(delivery.Token.ToString())));
    }

    [Fact]
    public async Task Q5_Tokens_AreUniqueToOneLease()
    {
        await SendTextsAsync([.. Enumerable.Range(0, 50).Select(i => $"m{i}")]);
        var tokens = new HashSet<LeaseToken>();
        for (var round = 0; round < 5; round++)
        {
            var receiver = await OpenAsync();
            Assert.All(await PollAsync(receiver), delivery => Assert.True(tokens.Add(delivery.Token)));
            await Soon(receiver.DisposeAsync());
        }

        Assert.Equal(250, tokens.Count);
    }

    [Fact]
    public async Task Q5_ManySettlersOfOneToken_OneWins()
    {
        for (var round = 0; round < 20; round++)
        {
            await SendTextsAsync("m");
            var token = (await TakeAsync(await OpenAsync())).Token;
            var results = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(() => SettleAsync(Settlement.Complete(token)), Cancellation)));
            Assert.Equal(1, results.Count(result => result[0] == SettleResult.Settled));
        }
    }

    [Fact]
    public async Task Q5_ManyReceivers_NeverHoldOneMessageTogether()
    {
        const int Messages = 300;
        await SendTextsAsync([.. Enumerable.Range(0, Messages).Select(i => $"m{i}")]);
        var taken = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(
            async () =>
            {
                var receiver = await Store.OpenReceiverAsync(Queue, new ReceiverOptions { LeaseDuration = Clock.LongLease }, Cancellation);
                var mine = new List<string>();
                while (await PollAsync(receiver, 3) is { Length: > 0 } some)
                {
                    mine.AddRange(Texts(some));
                }

                return (Receiver: receiver, Texts: mine);
            },
            Cancellation)));
        var all = taken.SelectMany(one => one.Texts).ToList();
        foreach (var (receiver, _) in taken)
        {
            await Soon(receiver.DisposeAsync());
        }

        Assert.Equal(Messages, all.Count);
        Assert.Equal(Messages, all.Distinct().Count());
    }

    [Fact]
    public async Task Q5_EachReceiver_HasItsOwnLeaseLength()
    {
        await SendTextsAsync("short", "long");
        var brief = await TakeAsync(await OpenAsync(Clock.Unit), "short");
        var lasting = await TakeAsync(await OpenAsync(), "long");
        await PassAsync(Clock.Unit);
        await LostAsync(Settlement.Complete(brief.Token));
        await SettledAsync(Settlement.Complete(lasting.Token));
    }

    [Fact]
    public async Task Q5_OneReceiversLeases_EndEachAtItsOwnTime()
    {
        await SendTextsAsync("a", "b");
        var receiver = await OpenAsync(2 * Clock.Unit);
        var a = await TakeAsync(receiver, "a");
        await PassAsync(Clock.Unit);
        var b = await TakeAsync(receiver, "b");
        await PassAsync(Clock.Unit);
        await LostAsync(Settlement.Complete(a.Token));
        await SettledAsync(Settlement.Complete(b.Token));
    }

    [Fact]
    public async Task Q5_SettleOnLease_CompletesInTheSameOperation()
    {
        await SendTextsAsync("a", "b", "c");
        var receiver = await OpenAsync(Clock.Unit, settleOnLease: true);
        var deliveries = await PollAsync(receiver, 2);
        Assert.Equal(["a", "b"], Texts(deliveries));
        Assert.All(deliveries, delivery => Assert.Equal(default, delivery.Token));
        Assert.All(deliveries, delivery => Assert.Equal(1, delivery.Attempt));
        await LostAsync(Settlement.Complete(deliveries[0].Token));

        await PassAsync(Clock.Unit);
        Assert.Empty(await Soon(receiver.RenewAsync(Cancellation)));
        await Soon(receiver.DisposeAsync());
        Assert.Equal(["c"], await DrainAsync());
        Assert.Equal(3, (await StatsAsync()).Completed);
    }

    [Fact]
    public async Task Q5_ABody_StaysAsItIsUntilItsDeliveryIsSettled()
    {
        await SendTextsAsync([.. Enumerable.Range(0, 40).Select(i => $"body {i}")]);
        var receiver = await OpenAsync();
        var deliveries = await PollAsync(receiver);
        for (var i = 0; i < deliveries.Length; i++)
        {
            Assert.Equal($"body {i}", Text(deliveries[i]));
            await CompleteAsync(deliveries[i]);
            await SendTextsAsync($"another {i}");
        }
    }

    [Fact]
    public async Task Q5_AToken_IsGoodInEveryOpeningOfTheStore()
    {
        var other = (await ShareAsync()).Require<IQueueStore>();
        await SendTextsAsync("a", "b");
        var here = await OpenAsync();
        var deliveries = await PollAsync(here);
        var results = new SettleResult[3];

        await Soon(other.SettleAsync(
            Queue,
            new[] { Settlement.Complete(deliveries[0].Token), Settlement.Release(deliveries[1].Token), Settlement.Complete(deliveries[0].Token) },
            results,
            Cancellation));

        Assert.Equal([SettleResult.Settled, SettleResult.Settled, SettleResult.LeaseLost], results);
        await LostAsync(Settlement.Complete(deliveries[0].Token));
        await TakeAsync(await OpenAsync(store: other), "b");
        await AssertNothingReadyAsync(here);
    }

    [Fact]
    public async Task Q5_ADelivery_IsExclusiveAcrossOpenings()
    {
        var other = (await ShareAsync()).Require<IQueueStore>();
        await SendTextsAsync([.. Enumerable.Range(0, 100).Select(i => $"m{i:00}")]);
        var here = await OpenAsync();
        var there = await OpenAsync(store: other);
        var taken = await Task.WhenAll(Task.Run(() => TakeAllAsync(here), Cancellation), Task.Run(() => TakeAllAsync(there), Cancellation));
        var all = taken.SelectMany(texts => texts).ToList();
        Assert.Equal(100, all.Count);
        Assert.Equal(100, all.Distinct().Count());

        static async Task<List<string>> TakeAllAsync(IQueueReceiver receiver)
        {
            var texts = new List<string>();
            while (await PollAsync(receiver, 2) is { Length: > 0 } some)
            {
                texts.AddRange(Texts(some));
            }

            return texts;
        }
    }

    [Fact]
    public async Task Q5_ALeaseOfOneOpening_EndsInTheOther()
    {
        var other = (await ShareAsync()).Require<IQueueStore>();
        await SendTextsAsync("m");
        var delivery = await TakeAsync(await OpenAsync(Clock.Unit));
        var there = await OpenAsync(store: other);
        await AssertNothingReadyAsync(there);
        await PassAsync(Clock.Unit);
        Assert.Equal(2, (await TakeAsync(there, "m")).Attempt);
        await LostAsync(Settlement.Complete(delivery.Token));
    }
}
