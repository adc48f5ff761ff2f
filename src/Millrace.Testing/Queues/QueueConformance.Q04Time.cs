using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

public abstract partial class QueueConformance<TFixture>
{
    [Fact]
    public async Task Q4_AMessage_IsNotDeliveredBeforeItsDueTime_AndIsAtIt()
    {
        await SendAsync(Make("delayed", delay: Clock.Unit));
        var receiver = await OpenAsync();
        await AssertNothingReadyAsync(receiver);
        await PassAlmostAsync(Clock.Unit);
        await AssertNothingReadyAsync(receiver);
        await PassAsync(Clock.Unit);
        var delivery = await TakeAsync(receiver, "delayed");
        Assert.Equal(1, delivery.Attempt);
        Assert.False(delivery.Redelivered);
    }

    [Fact]
    public async Task Q4_TheDueTime_IsExactOnAnExactClock()
    {
        await SendAsync(Make("delayed", delay: Clock.Unit));
        var receiver = await OpenAsync();
        await PassAlmostAsync(Clock.Unit);
        await AssertNothingReadyAsync(receiver);
        await PassAsync(Clock.Margin == TimeSpan.Zero ? TimeSpan.FromMilliseconds(1) : Clock.Unit);
        await TakeAsync(receiver, "delayed");
    }

    [Fact]
    public async Task Q4_NoPriority_OvertakesTheDueTime()
    {
        await SendAsync(Make("urgent, later", 9, delay: Clock.LongLease), Make("idle, now", 0));
        var receiver = await OpenAsync();
        await TakeAsync(receiver, "idle, now");
        await AssertNothingReadyAsync(receiver);
    }

    [Fact]
    public async Task Q4_ADelayedRelease_IsNotDeliveredBeforeItsDelay()
    {
        await SendTextsAsync("m");
        var receiver = await OpenAsync();
        await SettledAsync(Settlement.Release((await TakeAsync(receiver)).Token, Clock.Unit));
        await PassAlmostAsync(Clock.Unit);
        await AssertNothingReadyAsync(receiver);
        await PassAsync(Clock.Unit);
        await TakeAsync(receiver, "m");
    }

    [Fact]
    public async Task Q4_DueTimes_AreResolvedWhenTheStoreAcceptsTheMessage()
    {
        await SendAsync(Make("early", delay: 2 * Clock.Unit));
        await PassAsync(Clock.Unit);
        await SendAsync(Make("late", delay: 2 * Clock.Unit));
        await PassAsync(Clock.Unit);
        var receiver = await OpenAsync();
        await TakeAsync(receiver, "early");
        await AssertNothingReadyAsync(receiver);
    }

    [Fact]
    public async Task Q4_AMessage_IsDeliveredUntilItExpires()
    {
        await SendAsync(Make("short-lived", ttl: 2 * Clock.Unit));
        await PassAsync(Clock.Unit);
        await TakeAsync(await OpenAsync(), "short-lived");
    }

    [Fact]
    public async Task Q4_AnExpiredMessage_IsDroppedAndCounted()
    {
        await SendAsync(Make("expires", ttl: Clock.Unit), Make("stays"));
        await PassAsync(Clock.Unit);
        Assert.Equal(["stays"], await DrainAsync());
        var stats = await StatsAsync();
        Assert.Equal((1, 0, 0, 0), (stats.Expired, stats.Ready, stats.Scheduled, stats.Dead));
    }

    [Fact]
    public async Task Q4_AnExpiredMessage_IsDeadLetteredWhereTheQueueSaysSo()
    {
        await CreateAsync(new QueueSettings { DeadLetterExpired = true });
        await SendAsync(Make("expires", ttl: Clock.Unit, id: "x"));
        await PassAsync(Clock.Unit);
        await AssertNothingReadyAsync(await OpenAsync());
        var dead = (await TakeAsync(await OpenAsync(queue: DeadQueue), "expires")).Message;
        Assert.Equal(DeadLetterInfo.ExpiredReason, dead.DeadLetter!.Reason);
        Assert.Equal(0, dead.DeadLetter.Attempts);
        Assert.Equal(new MessageId("x"), dead.Id);
        Assert.Equal(1, (await StatsAsync()).Expired);
    }

    [Fact]
    public async Task Q4_AMessageThatExpiresBeforeItIsDue_IsNeverDelivered()
    {
        await SendAsync(Make("never", delay: 2 * Clock.Unit, ttl: Clock.Unit));
        await PassAsync(2 * Clock.Unit);
        await AssertNothingReadyAsync(await OpenAsync());
        Assert.Equal(1, (await StatsAsync()).Expired);
    }

    [Fact]
    public async Task Q4_AMessageThatExpiresWhileItIsLeased_CanStillBeCompleted()
    {
        await SendAsync(Make("m", ttl: Clock.Unit));
        var delivery = await TakeAsync(await OpenAsync());
        await PassAsync(Clock.Unit);
        await CompleteAsync(delivery);
        var stats = await StatsAsync();
        Assert.Equal((0, 1), (stats.Expired, stats.Completed));
    }

    [Fact]
    public async Task Q4_AMessageThatComesBackExpired_HasExpired()
    {
        await SendAsync(Make("released", ttl: 2 * Clock.Unit), Make("lost", ttl: 2 * Clock.Unit), Make("dropped", ttl: 2 * Clock.Unit));
        var releasing = await OpenAsync();
        var losing = await OpenAsync(3 * Clock.Unit);
        var dropping = await OpenAsync();
        var released = await TakeAsync(releasing, "released");
        await TakeAsync(losing, "lost");
        await TakeAsync(dropping, "dropped");
        await PassAsync(2 * Clock.Unit);

        await SettledAsync(Settlement.Release(released.Token));
        await Soon(dropping.DisposeAsync());
        await PassAsync(Clock.Unit);

        await AssertNothingReadyAsync(await OpenAsync());
        Assert.Equal(3, (await StatsAsync()).Expired);
        await AssertDepthsAsync();
    }

    [Fact]
    public async Task Q4_AMessageThatComesBackExpired_IsDeadLetteredWhereTheQueueSaysSo()
    {
        await CreateAsync(new QueueSettings { DeadLetterExpired = true });
        await SendAsync(Make("m", ttl: Clock.Unit));
        var delivery = await TakeAsync(await OpenAsync());
        await PassAsync(Clock.Unit);
        await SettledAsync(Settlement.Release(delivery.Token, error: "too slow"));
        await AssertNothingReadyAsync(await OpenAsync());
        var info = (await TakeAsync(await OpenAsync(queue: DeadQueue), "m")).Message.DeadLetter!;
        Assert.Equal((DeadLetterInfo.ExpiredReason, "too slow", 1), (info.Reason, info.LastError, info.Attempts));
    }

    [Fact]
    public async Task Q4_DeadLetters_DoNotExpire()
    {
        await BuryAsync(Make("m", ttl: Clock.Unit));
        await PassAsync(3 * Clock.Unit);
        Assert.Equal(["m"], await DrainAsync(DeadQueue));
    }

    [Fact]
    public async Task Q4_AnExpiredMessage_IsNotDeliveredByARaceOfManyReceiversEither()
    {
        await SendAsync([.. Enumerable.Range(0, 50).Select(i => Make($"m{i}", ttl: Clock.Unit))]);
        await PassAsync(Clock.Unit);
        var found = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () => await PollAsync(await OpenSafelyAsync()), Cancellation)));
        Assert.All(found, Assert.Empty);
        Assert.Equal(50, (await StatsAsync()).Expired);

        async Task<IQueueReceiver> OpenSafelyAsync() => await Store.OpenReceiverAsync(Queue, new ReceiverOptions(), Cancellation);
    }

    [Fact]
    public async Task Q4_TheLongestDelay_IsTakenAndALongerOneRefused()
    {
        var longest = Store.Capabilities.MaxDelay;
        await SendAsync(Make("far", delay: longest));
        await AssertDepthsAsync(scheduled: 1);
        await Assert.ThrowsAsync<InvalidMessageException>(() => SendAsync(Make("too far", delay: longest + TimeSpan.FromSeconds(1))));
    }
}
