using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

public abstract partial class QueueConformance<TFixture>
{
    [Fact]
    public async Task Q7_Leasing_CountsAnAttempt()
    {
        Require(QueueFeatures.CountsAttempts);
        await SendAsync(Make("m", id: "x"));
        var receiver = await OpenAsync();
        for (var attempt = 1; attempt <= 4; attempt++)
        {
            var delivery = await TakeAsync(receiver);
            Assert.Equal((attempt, attempt > 1), (delivery.Attempt, delivery.Redelivered));
            await SettledAsync(Settlement.Release(delivery.Token, attempt % 2 == 0 ? TimeSpan.Zero : Clock.Unit));
            Assert.Equal(attempt, (await Soon(Admin.GetMessageAsync(Queue, "x", Cancellation)))!.Attempts);
            await PassAsync(Clock.Unit);
        }
    }

    [Fact]
    public async Task Q7_AReleaseThatDoesNotCount_TakesItsAttemptBack_ButTheMessageStaysRedelivered()
    {
        Require(QueueFeatures.CountsAttempts);
        await SendTextsAsync("m");
        var receiver = await OpenAsync();
        for (var i = 0; i < 3; i++)
        {
            var delivery = await TakeAsync(receiver);
            Assert.Equal((1, i > 0), (delivery.Attempt, delivery.Redelivered));
            await SettledAsync(Settlement.Release(delivery.Token, i == 1 ? Clock.Unit : TimeSpan.Zero, countAttempt: false));
            await PassAsync(Clock.Unit);
        }
    }

    [Fact]
    public async Task Q7_WhatDisposingAReceiverReturns_DoesNotCount()
    {
        Require(QueueFeatures.CountsAttempts);
        await SendTextsAsync("a", "b");
        var receiver = await OpenAsync();
        Assert.Equal(2, (await PollAsync(receiver)).Length);
        await Soon(receiver.DisposeAsync());
        var again = await PollAsync(await OpenAsync());
        Assert.Equal(["a", "b"], Texts(again));
        Assert.All(again, delivery => Assert.Equal((1, true), (delivery.Attempt, delivery.Redelivered)));
    }

    [Fact]
    public async Task Q7_DisposingAReceiver_EndsItsTokens_AndLeavesSettledDeliveriesAlone()
    {
        await SendTextsAsync("a", "b");
        var receiver = await OpenAsync();
        var deliveries = await PollAsync(receiver);
        await CompleteAsync(deliveries[0]);
        await Soon(receiver.DisposeAsync());
        await Soon(receiver.DisposeAsync());
        await LostAsync(Settlement.Complete(deliveries[1].Token));
        Assert.Equal(["b"], await DrainAsync());
    }

    [Fact]
    public async Task Q7_AfterMaxDeliveries_AReleaseDeadLetters_WithTheLastError()
    {
        Require(QueueFeatures.CountsAttempts);
        await CreateAsync(new QueueSettings { MaxDeliveries = 3 });
        await SendAsync(Make("m", id: "x"));
        var receiver = await OpenAsync();
        for (var attempt = 1; attempt <= 3; attempt++)
        {
            var delivery = await TakeAsync(receiver);
            Assert.Equal(attempt, delivery.Attempt);
            await SettledAsync(Settlement.Release(delivery.Token, error: $"error {attempt}"));
        }

        await AssertNothingReadyAsync(receiver);
        await AssertDepthsAsync(dead: 1);
        var dead = (await TakeAsync(await OpenAsync(queue: DeadQueue), "m")).Message;
        Assert.Equal((DeadLetterInfo.MaxDeliveriesReason, "error 3", 3), (dead.DeadLetter!.Reason, dead.DeadLetter.LastError, dead.DeadLetter.Attempts));
        Assert.Equal(1, (await StatsAsync()).DeadLettered);
    }

    [Fact]
    public async Task Q7_AfterMaxDeliveries_ADelayedReleaseDeadLettersAtOnce()
    {
        Require(QueueFeatures.CountsAttempts);
        await CreateAsync(new QueueSettings { MaxDeliveries = 1 });
        await SendTextsAsync("m");
        await SettledAsync(Settlement.Release((await TakeAsync(await OpenAsync())).Token, Clock.LongLease));
        await AssertDepthsAsync(dead: 1);
    }

    [Fact]
    public async Task Q7_AfterMaxDeliveries_ALostLeaseDeadLetters_WithTheErrorOfTheLastRelease()
    {
        Require(QueueFeatures.CountsAttempts);
        await CreateAsync(new QueueSettings { MaxDeliveries = 2 });
        await SendTextsAsync("m");
        var receiver = await OpenAsync(Clock.Unit);
        await SettledAsync(Settlement.Release((await TakeAsync(receiver)).Token, error: "the first time"));
        var last = await TakeAsync(receiver);
        await PassAsync(Clock.Unit);

        await LostAsync(Settlement.Complete(last.Token));
        await AssertNothingReadyAsync(receiver);
        var info = (await TakeAsync(await OpenAsync(queue: DeadQueue), "m")).Message.DeadLetter!;
        Assert.Equal((DeadLetterInfo.MaxDeliveriesReason, "the first time", 2), (info.Reason, info.LastError, info.Attempts));
    }

    [Fact]
    public async Task Q7_TheLastAttempt_HandedBackUncounted_IsNotTheLast()
    {
        Require(QueueFeatures.CountsAttempts);
        await CreateAsync(new QueueSettings { MaxDeliveries = 1 });
        await SendTextsAsync("m");
        var receiver = await OpenAsync();
        await SettledAsync(Settlement.Release((await TakeAsync(receiver)).Token, countAttempt: false));
        await TakeAsync(receiver);
        await Soon(receiver.DisposeAsync());
        Assert.Equal(1, (await TakeAsync(await OpenAsync(), "m")).Attempt);
        Assert.Equal(0, (await StatsAsync()).Dead);
    }

    [Fact]
    public async Task Q7_TheLastAttempt_CanComplete()
    {
        Require(QueueFeatures.CountsAttempts);
        await CreateAsync(new QueueSettings { MaxDeliveries = 1 });
        await SendTextsAsync("m");
        await CompleteAsync(await TakeAsync(await OpenAsync()));
        await AssertDepthsAsync();
    }

    [Fact]
    public async Task Q7_ALowerMaxDeliveries_HoldsFromTheNextReturn()
    {
        Require(QueueFeatures.CountsAttempts);
        await SendTextsAsync("m");
        var receiver = await OpenAsync();
        for (var i = 0; i < 2; i++)
        {
            await SettledAsync(Settlement.Release((await TakeAsync(receiver)).Token));
        }

        await Soon(Admin.UpdateSettingsAsync(Queue, new QueueSettings { MaxDeliveries = 1 }, Cancellation));
        await SettledAsync(Settlement.Release((await TakeAsync(receiver)).Token));
        await AssertDepthsAsync(dead: 1);
    }

    [Fact]
    public async Task Q7_ADeadLetterQueue_HasNoBound()
    {
        await CreateAsync(new QueueSettings { MaxDeliveries = 1 });
        await BuryAsync(Make("m"));
        var receiver = await OpenAsync(queue: DeadQueue);
        for (var i = 0; i < 5; i++)
        {
            await SettledAsync(Settlement.Release((await TakeAsync(receiver, "m")).Token), DeadQueue);
        }

        await AssertDepthsAsync(dead: 1);
    }

    [Fact]
    public async Task Q7_AMessageThatKillsItsWorkers_DoesNotLoopForEver()
    {
        Require(QueueFeatures.CountsAttempts);
        await CreateAsync(new QueueSettings { MaxDeliveries = 4 });
        await SendTextsAsync("poison", "harmless");
        var receiver = await OpenAsync(Clock.Unit);
        for (var i = 0; i < 4; i++)
        {
            await TakeAsync(receiver, "poison");
            await PassAsync(Clock.Unit);
        }

        await TakeAsync(receiver, "harmless");
        await AssertNothingReadyAsync(receiver);
    }
}
