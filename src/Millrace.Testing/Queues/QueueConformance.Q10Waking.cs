using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

public abstract partial class QueueConformance<TFixture>
{
    [Fact]
    public async Task Q10_AWaitingLease_WakesOnAnEnqueue()
    {
        var waiting = WaitAsync(await OpenAsync());
        await StillWaits(waiting);
        await SendTextsAsync("m");
        Assert.Equal("m", Text(await Soon(waiting)));
    }

    [Fact]
    public async Task Q10_AWaitingLease_WakesOnARelease()
    {
        await SendTextsAsync("m");
        var delivery = await TakeAsync(await OpenAsync());
        var waiting = WaitAsync(await OpenAsync());
        await StillWaits(waiting);
        await SettledAsync(Settlement.Release(delivery.Token));
        Assert.Equal(2, (await Soon(waiting)).Attempt);
    }

    [Fact]
    public async Task Q10_AWaitingLease_WakesWhenAReceiverIsDropped()
    {
        await SendTextsAsync("m");
        var dropping = await OpenAsync();
        await TakeAsync(dropping);
        var waiting = WaitAsync(await OpenAsync());
        await StillWaits(waiting);
        await Soon(dropping.DisposeAsync());
        Assert.Equal("m", Text(await Soon(waiting)));
    }

    [Fact]
    public async Task Q10_AWaitingLease_WakesWhenAKeyComesFree()
    {
        Require(QueueFeatures.OrderedKeys);
        await SendAsync(Make("k1", key: "k"), Make("k2", key: "k"), Make("k3", key: "k"));
        var head = await TakeAsync(await OpenAsync(), "k1");
        var receiver = await OpenAsync();
        var waiting = WaitAsync(receiver);
        await StillWaits(waiting);
        await CompleteAsync(head);
        var next = await Soon(waiting);
        Assert.Equal("k2", Text(next));
        waiting = WaitAsync(receiver);
        await StillWaits(waiting);
        await SettledAsync(Settlement.DeadLetter(next.Token, "x"));
        Assert.Equal("k3", Text(await Soon(waiting)));
    }

    [Fact]
    public async Task Q10_AWaitingLease_WakesWhenAMessageBecomesDue()
    {
        await SendAsync(Make("m", delay: Clock.Unit));
        var waiting = WaitAsync(await OpenAsync());
        await StillWaits(waiting);
        Assert.Equal("m", Text(await Within(2 * Clock.Unit, waiting)));
    }

    [Fact]
    public async Task Q10_AWaitingLease_WakesForAMessageDueEarlierThanTheOneItKnew()
    {
        await SendAsync(Make("late", delay: Clock.LongLease));
        var waiting = WaitAsync(await OpenAsync());
        await StillWaits(waiting);
        await SendAsync(Make("early", delay: Clock.Unit));
        Assert.Equal("early", Text(await Within(2 * Clock.Unit, waiting)));
    }

    [Fact]
    public async Task Q10_AWaitingLease_WakesForADueTime_WhenTheOthersThatKnewItAreCancelled()
    {
        using var cancellation = new CancellationTokenSource();
        var cancelled = new List<Task<Delivery>>();
        for (var i = 0; i < 3; i++)
        {
            cancelled.Add(WaitAsync(await OpenAsync(), cancellation.Token));
            await StillWaits(cancelled[i]);
        }

        var waiting = WaitAsync(await OpenAsync());
        await StillWaits(waiting);
        await SendAsync(Make("m", delay: 2 * Clock.Unit));
        await StillWaits(waiting);
        await cancellation.CancelAsync();
        await Soon(Task.WhenAll(cancelled.ConvertAll(one => Assert.ThrowsAnyAsync<OperationCanceledException>(() => one))));
        Assert.Equal("m", Text(await Within(4 * Clock.Unit, waiting)));
    }

    [Fact]
    public async Task Q10_WaitingLeases_WakeForOneDueTimeAfterTheOther()
    {
        var waiting = new List<Task<Delivery>>();
        for (var i = 0; i < 3; i++)
        {
            waiting.Add(WaitAsync(await OpenAsync()));
            await StillWaits(waiting[i]);
        }

        await SendAsync(Make("a", delay: Clock.Unit), Make("b", delay: 2 * Clock.Unit), Make("c", delay: 3 * Clock.Unit));
        Assert.Equal(["a", "b", "c"], Texts(await Within(5 * Clock.Unit, Task.WhenAll(waiting))).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Q10_ALeaseThatWaitsForDeadLetters_WakesWhenAMessageExpires()
    {
        await CreateAsync(new QueueSettings { DeadLetterExpired = true });
        var receiver = await OpenAsync(queue: DeadQueue);
        var waiting = WaitAsync(receiver);
        await StillWaits(waiting);
        await SendAsync(Make("first", ttl: Clock.Unit));
        Assert.Equal("first", Text(await Within(2 * Clock.Unit, waiting)));

        // Also of one that was there before the wait.
        await SendAsync(Make("second", ttl: Clock.Unit));
        waiting = WaitAsync(receiver);
        await StillWaits(waiting);
        Assert.Equal("second", Text(await Within(2 * Clock.Unit, waiting)));
    }

    [Fact]
    public async Task Q10_ALeaseThatWaitsForDeadLetters_WakesWhenTheLastLeaseOfAMessageEnds()
    {
        await CreateAsync(new QueueSettings { MaxDeliveries = 1 });
        var waiting = WaitAsync(await OpenAsync(queue: DeadQueue));
        await StillWaits(waiting);
        await SendTextsAsync("m");
        await TakeAsync(await OpenAsync(Clock.Unit));
        Assert.Equal("m", Text(await Within(2 * Clock.Unit, waiting)));
    }

    [Fact]
    public async Task Q10_ALookAtDeadLetters_SeesWhatHasExpired()
    {
        Require(QueueFeatures.Browsing);
        await CreateAsync(new QueueSettings { DeadLetterExpired = true });
        await SendAsync(Make("m", ttl: Clock.Unit, id: "x"));
        await PassAsync(Clock.Unit);
        Assert.Equal("m", Text(Assert.Single(await BrowseAsync(queue: DeadQueue)).Message));
        Assert.NotNull(await Soon(Admin.GetMessageAsync(DeadQueue, "x", Cancellation)));
        Assert.Equal(1, (await StatsAsync(DeadQueue)).Ready);
    }

    [Fact]
    public async Task Q10_AWaitingLease_WakesWhenALeaseEnds()
    {
        await SendTextsAsync("m");
        await TakeAsync(await OpenAsync(Clock.Unit));
        var waiting = WaitAsync(await OpenAsync());
        await StillWaits(waiting);
        Assert.Equal(2, (await Within(2 * Clock.Unit, waiting)).Attempt);
    }

    [Fact]
    public async Task Q10_AWaitingLease_WakesOnRescheduleAndRedrive()
    {
        await BuryAsync(Make("redriven"));
        await SendAsync(Make("rescheduled", id: "x", delay: Clock.LongLease));
        var receiver = await OpenAsync();
        var waiting = WaitAsync(receiver);
        await StillWaits(waiting);
        Assert.Equal(MessageChange.Done, await Soon(Admin.RescheduleMessageAsync(Queue, "x", TimeSpan.Zero, Cancellation)));
        Assert.Equal("rescheduled", Text(await Soon(waiting)));
        waiting = WaitAsync(receiver);
        await StillWaits(waiting);
        Assert.Equal(1, await Soon(Admin.RedriveAsync(Queue, DeadLetterFilter.All, Cancellation)));
        Assert.Equal("redriven", Text(await Soon(waiting)));
    }

    [Fact]
    public async Task Q10_AWaitingLeaseOnADeadLetterQueue_WakesWhenAMessageDies()
    {
        await SendTextsAsync("m");
        var waiting = WaitAsync(await OpenAsync(queue: DeadQueue));
        await StillWaits(waiting);
        await SettledAsync(Settlement.DeadLetter((await TakeAsync(await OpenAsync())).Token, "x"));
        Assert.Equal("m", Text(await Soon(waiting)));
    }

    [Fact]
    public async Task Q10_OneEnqueue_ServesEveryWaiterThatItCan()
    {
        var waiting = new List<Task<Delivery>>();
        for (var i = 0; i < 5; i++)
        {
            waiting.Add(WaitAsync(await OpenAsync()));
        }

        await SendTextsAsync("a", "b", "c");
        for (var served = 0; served < 3; served++)
        {
            var next = await Soon(Task.WhenAny(waiting));
            await CompleteAsync(await next);
            waiting.Remove(next);
        }

        await StillWaits(Task.WhenAny(waiting));
        await SendTextsAsync("d", "e");
        Assert.Equal(["d", "e"], Texts(await Soon(Task.WhenAll(waiting))).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Q10_AWaitingLease_TakesWhatIsThere_AndDoesNotWaitForMore()
    {
        var receiver = await OpenAsync();
        var into = new Delivery[10];
        var waiting = receiver.LeaseAsync(into, Timeout.InfiniteTimeSpan, Cancellation).AsTask();
        await SendTextsAsync("a", "b", "c");
        var count = await Soon(waiting);
        Assert.InRange(count, 1, 3);
        Assert.Equal(["a", "b", "c"], Texts(into[..count]).Concat(Texts(await PollAsync(receiver))));
    }

    [Fact]
    public async Task Q10_AWait_EndsWithNothingAfterItsTime_ByTheStoresClock()
    {
        var receiver = await OpenAsync();
        var waiting = receiver.LeaseAsync(new Delivery[1], Clock.Unit, Cancellation).AsTask();
        await StillWaits(waiting);
        Assert.Equal(0, await Within(2 * Clock.Unit, waiting));
        await SendTextsAsync("m");
        await TakeAsync(receiver, "m");
    }

    [Fact]
    public async Task Q10_AWaitWithATime_WakesBeforeIt()
    {
        var waiting = (await OpenAsync()).LeaseAsync(new Delivery[1], Clock.LongLease, Cancellation).AsTask();
        await StillWaits(waiting);
        await SendTextsAsync("m");
        Assert.Equal(1, await Soon(waiting));
    }

    [Fact]
    public async Task Q10_APoll_ReturnsAtOnce()
    {
        var receiver = await OpenAsync();
        await AssertNothingReadyAsync(receiver);
        await SendTextsAsync("m");
        await TakeAsync(receiver, "m");
    }

    [Fact]
    public async Task Q10_CancellingAWait_EndsIt_AndTheReceiverGoesOn()
    {
        var receiver = await OpenAsync();
        using var cancellation = new CancellationTokenSource();
        var waiting = WaitAsync(receiver, cancellation.Token);
        await StillWaits(waiting);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Soon(waiting));
        await SendTextsAsync("m");
        Assert.Equal(1, (await TakeAsync(receiver, "m")).Attempt);
    }

    [Fact]
    public async Task Q10_CancellingAWait_NeverStrandsALease()
    {
        var receiver = await OpenAsync();
        var other = await OpenAsync();
        for (var i = 0; i < (IsFullRun ? 5_000 : 300); i++)
        {
            using var cancellation = new CancellationTokenSource();
            var waiting = WaitAsync(receiver, cancellation.Token);
            var text = $"m{i}";
            var send = Task.Run(() => SendTextsAsync(text), Cancellation);
            if (i % 3 == 0)
            {
                await Task.Yield();
            }
            else if (i % 3 == 1)
            {
                Thread.SpinWait(i * 13 % 2_000);
            }

            await cancellation.CancelAsync();
            await send;
            Delivery delivery;
            try
            {
                delivery = await Soon(waiting);
            }
            catch (OperationCanceledException)
            {
                delivery = await TakeAsync(i % 2 == 0 ? receiver : other);
            }

            Assert.Equal((text, 1), (Text(delivery), delivery.Attempt));
            await CompleteAsync(delivery);
        }

        await AssertDepthsAsync();
    }

    [Fact]
    public async Task Q10_DisposingAReceiver_EndsItsWait_AndStrandsNothing()
    {
        for (var i = 0; i < 50; i++)
        {
            var receiver = await OpenAsync();
            var waiting = receiver.LeaseAsync(new Delivery[1], Timeout.InfiniteTimeSpan, Cancellation).AsTask();
            var send = Task.Run(() => SendTextsAsync("m"), Cancellation);
            if (i % 2 == 0)
            {
                await Task.Yield();
            }

            await Soon(receiver.DisposeAsync());
            await Soon(Task.WhenAny(waiting));
            await send;
            await CompleteAsync(await TakeAsync(await OpenAsync(), "m"));
        }
    }

    [Fact]
    public async Task Q10_PingPong_LosesNoWakeUp()
    {
        var there = Queue + "-back";
        var rounds = IsFullRun ? 5_000 : 300;
        var ping = await OpenAsync();
        var pong = await OpenAsync(queue: there);
        var echo = Task.Run(
            async () =>
            {
                for (var i = 0; i < rounds; i++)
                {
                    var delivery = await Soon(WaitAsync(ping));
                    await SendToAsync(there, Make(Text(delivery)));
                    await CompleteAsync(delivery);
                }
            },
            Cancellation);
        for (var i = 0; i < rounds; i++)
        {
            await SendTextsAsync($"{i}");
            var delivery = await Soon(WaitAsync(pong));
            Assert.Equal($"{i}", Text(delivery));
            await CompleteInAsync(there, delivery);
        }

        await Soon(echo);
    }

    [Fact]
    public async Task Q10_AWaitingLease_WakesOnWhatAnotherOpeningDoes()
    {
        var other = (await ShareAsync()).Require<IQueueStore>();
        var receiver = await OpenAsync();
        var waiting = WaitAsync(receiver);
        await StillWaits(waiting);
        await Soon(other.EnqueueAsync(Queue, new[] { Make("from there") }, default, Cancellation));
        var delivery = await Within(Clock.Unit, waiting);
        Assert.Equal("from there", Text(delivery));

        waiting = WaitAsync(receiver);
        await StillWaits(waiting);
        await Soon(other.SettleAsync(Queue, new[] { Settlement.Release(delivery.Token) }, default, Cancellation));
        Assert.Equal(2, (await Within(Clock.Unit, waiting)).Attempt);
    }

    [Fact]
    public async Task Q10_AWaitingLease_WakesForADueTimeThatAnotherOpeningSet()
    {
        var other = (await ShareAsync()).Require<IQueueStore>();
        var waiting = WaitAsync(await OpenAsync());
        await StillWaits(waiting);
        await Soon(other.EnqueueAsync(Queue, new[] { Make("m", delay: Clock.Unit) }, default, Cancellation));
        Assert.Equal("m", Text(await Within(3 * Clock.Unit, waiting)));
    }
}
