using System.Collections.Concurrent;
using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

public abstract partial class QueueConformance<TFixture>
{
    [Fact]
    public async Task Q8_AKeysMessages_AreLeasedOneAtATimeInOrder()
    {
        Require(QueueFeatures.OrderedKeys);
        await SendAsync(Make("k1", key: "k"), Make("k2", key: "k"), Make("k3", key: "k"));
        var one = await OpenAsync();
        var two = await OpenAsync();
        foreach (var expected in new[] { "k1", "k2", "k3" })
        {
            var deliveries = await PollAsync(one);
            Assert.Equal([expected], Texts(deliveries));
            await AssertNothingReadyAsync(two);
            await CompleteAsync(deliveries);
        }
    }

    [Fact]
    public async Task Q8_OtherKeysAndMessagesWithoutOne_GoOn()
    {
        Require(QueueFeatures.OrderedKeys);
        await SendAsync(Make("a1", key: "a"), Make("a2", key: "a"), Make("b1", key: "b"), Make("free 1"), Make("free 2"), Make("b2", key: "b"));
        var receiver = await OpenAsync();
        var first = await PollAsync(receiver);
        Assert.Equal(["a1", "b1", "free 1", "free 2"], Texts(first));
        await CompleteAsync(first[1]);
        Assert.Equal(["b2"], Texts(await PollAsync(receiver)));
    }

    [Fact]
    public async Task Q8_WithinAKey_PriorityIsIgnored()
    {
        Require(QueueFeatures.OrderedKeys | QueueFeatures.Priorities);
        await SendAsync(Make("first, low", 0, "k"), Make("second, high", 9, "k"), Make("third, mid", 4, "k"));
        Assert.Equal(["first, low", "second, high", "third, mid"], await DrainAsync());
    }

    [Fact]
    public async Task Q8_AKey_StandsAtThePlaceOfItsHead()
    {
        Require(QueueFeatures.OrderedKeys | QueueFeatures.Priorities);
        await SendAsync(Make("k head", 4, "k"), Make("k second", 9, "k"), Make("free high", 5), Make("free low", 3));
        Assert.Equal(["free high", "k head", "k second", "free low"], await DrainAsync());
    }

    [Fact]
    public async Task Q8_AKeysHeadOfLowPriority_HoldsBackItsUrgentFollowers()
    {
        Require(QueueFeatures.OrderedKeys | QueueFeatures.Priorities);
        await SendAsync(Make("k low", 1, "k"), Make("free"), Make("k urgent", 9, "k"), Make("other urgent", 9, "o"));
        Assert.Equal(["other urgent", "free", "k low", "k urgent"], await DrainAsync());
    }

    [Fact]
    public async Task Q8_AnImmediateRelease_KeepsTheHeadAtItsPlace()
    {
        Require(QueueFeatures.OrderedKeys);
        await SendAsync(Make("k1", key: "k"), Make("k2", key: "k"), Make("free"));
        var receiver = await OpenAsync();
        await SettledAsync(Settlement.Release((await TakeAsync(receiver, "k1")).Token));
        Assert.Equal(["k1", "k2", "free"], await DrainAsync());
    }

    [Fact]
    public async Task Q8_ALostLease_KeepsTheHeadAtItsPlace()
    {
        Require(QueueFeatures.OrderedKeys);
        await SendAsync(Make("k1", key: "k"), Make("k2", key: "k"), Make("free"));
        await TakeAsync(await OpenAsync(Clock.Unit), "k1");
        await PassAsync(Clock.Unit);
        Assert.Equal(["k1", "k2", "free"], await DrainAsync());
    }

    [Fact]
    public async Task Q8_ADroppedReceiver_ReturnsTheHead()
    {
        Require(QueueFeatures.OrderedKeys);
        await SendAsync(Make("k1", key: "k"), Make("k2", key: "k"));
        var receiver = await OpenAsync();
        await TakeAsync(receiver, "k1");
        await Soon(receiver.DisposeAsync());
        Assert.Equal(["k1", "k2"], await DrainAsync());
    }

    [Fact]
    public async Task Q8_ADelayedRelease_BlocksItsKey_AndKeepsTheHeadOfItsLine()
    {
        Require(QueueFeatures.OrderedKeys);
        await SendAsync(Make("k1", key: "k"), Make("k2", key: "k"), Make("free"));
        var receiver = await OpenAsync();
        await SettledAsync(Settlement.Release((await TakeAsync(receiver, "k1")).Token, Clock.Unit));
        Assert.Equal(["free"], await DrainAsync());
        await SendAsync(Make("k3", key: "k"), Make("free, meanwhile"));

        await PassAsync(Clock.Unit);

        // The key stands at its head's new place, behind what was sent before the head became due.
        Assert.Equal(["free, meanwhile", "k1", "k2", "k3"], await DrainAsync());
    }

    [Fact]
    public async Task Q8_AScheduledMessage_BlocksNobody_AndJoinsTheEndOfTheLineWhenDue()
    {
        Require(QueueFeatures.OrderedKeys);
        await SendAsync(Make("scheduled", key: "k", delay: Clock.Unit), Make("k1", key: "k"), Make("k2", key: "k"));
        var receiver = await OpenAsync();
        await CompleteAsync(await TakeAsync(receiver, "k1"));
        await PassAsync(Clock.Unit);
        await SendAsync(Make("k3", key: "k"));
        Assert.Equal(["k2", "scheduled", "k3"], await DrainAsync());
    }

    [Fact]
    public async Task Q8_AScheduledMessageThatBecomesDueWhileItsKeyIsLeased_WaitsItsTurn()
    {
        Require(QueueFeatures.OrderedKeys);
        await SendAsync(Make("k1", key: "k"), Make("scheduled", 9, "k", Clock.Unit));
        var receiver = await OpenAsync();
        var head = await TakeAsync(receiver, "k1");
        await PassAsync(Clock.Unit);
        await AssertNothingReadyAsync(receiver);
        await CompleteAsync(head);
        await TakeAsync(receiver, "scheduled");
    }

    [Fact]
    public async Task Q8_DeadLetteringTheHead_FreesTheNext()
    {
        Require(QueueFeatures.OrderedKeys);
        await CreateAsync(new QueueSettings { MaxDeliveries = 1 });
        await SendAsync(Make("k1", key: "k"), Make("k2", key: "k"), Make("k3", key: "k"));
        var receiver = await OpenAsync();
        await SettledAsync(Settlement.DeadLetter((await TakeAsync(receiver, "k1")).Token, "x"));
        await SettledAsync(Settlement.Release((await TakeAsync(receiver, "k2")).Token));
        await TakeAsync(receiver, "k3");
    }

    [Fact]
    public async Task Q8_ExpiryOfTheHead_FreesTheNext()
    {
        Require(QueueFeatures.OrderedKeys);
        await SendAsync(Make("k1", key: "k", ttl: Clock.Unit), Make("k2", key: "k"));
        await PassAsync(Clock.Unit);
        Assert.Equal(["k2"], await DrainAsync());
    }

    [Fact]
    public async Task Q8_ExpiryOfAHeadThatWaitsForItsRelease_FreesTheNext()
    {
        Require(QueueFeatures.OrderedKeys);
        await SendAsync(Make("k1", key: "k", ttl: Clock.Unit), Make("k2", key: "k"));
        await SettledAsync(Settlement.Release((await TakeAsync(await OpenAsync(), "k1")).Token, 2 * Clock.Unit));
        await PassAsync(2 * Clock.Unit);
        Assert.Equal(["k2"], await DrainAsync());
        Assert.Equal(1, (await StatsAsync()).Expired);
    }

    [Fact]
    public async Task Q8_RemovingTheHead_FreesTheNext()
    {
        Require(QueueFeatures.OrderedKeys);
        await SendAsync(Make("k1", key: "k", id: "1"), Make("k2", key: "k", id: "2"), Make("k3", key: "k"));
        Assert.Equal(MessageChange.Done, await Soon(Admin.RemoveMessageAsync(Queue, "1", Cancellation)));
        var receiver = await OpenAsync();
        await SettledAsync(Settlement.Release((await TakeAsync(receiver, "k2")).Token, Clock.LongLease));
        await AssertNothingReadyAsync(receiver);
        Assert.Equal(MessageChange.Done, await Soon(Admin.RemoveMessageAsync(Queue, "2", Cancellation)));
        await TakeAsync(receiver, "k3");
    }

    [Fact]
    public async Task Q8_PurgingAKeyThatWaits_FreesIt()
    {
        Require(QueueFeatures.OrderedKeys);
        await SendAsync(Make("k1", key: "k"), Make("k2", key: "k"));
        await SettledAsync(Settlement.Release((await TakeAsync(await OpenAsync(), "k1")).Token, Clock.LongLease));
        Assert.Equal(2, await Soon(Admin.PurgeAsync(Queue, Cancellation)));
        await SendAsync(Make("k3", key: "k"));
        Assert.Equal(["k3"], await DrainAsync());
    }

    [Fact]
    public async Task Q8_PurgingBehindALeasedHead_KeepsTheKeyExclusive()
    {
        Require(QueueFeatures.OrderedKeys);
        await SendAsync(Make("k1", key: "k"), Make("k2", key: "k"));
        var receiver = await OpenAsync();
        var head = await TakeAsync(receiver, "k1");
        Assert.Equal(1, await Soon(Admin.PurgeAsync(Queue, Cancellation)));
        await SendAsync(Make("k3", key: "k"));
        await AssertNothingReadyAsync(receiver);
        await CompleteAsync(head);
        await TakeAsync(receiver, "k3");
    }

    [Fact]
    public async Task Q8_ReschedulingByHand_TakesAMessageOutOfItsLine()
    {
        Require(QueueFeatures.OrderedKeys);
        await SendAsync(Make("k1", key: "k", id: "1"), Make("k2", key: "k"));
        Assert.Equal(MessageChange.Done, await Soon(Admin.RescheduleMessageAsync(Queue, "1", Clock.Unit, Cancellation)));
        await PassAlmostAsync(Clock.Unit);
        await SendAsync(Make("k3", key: "k"));
        await PassAsync(Clock.Unit);
        await SendAsync(Make("k4", key: "k"));
        Assert.Equal(["k2", "k3", "k1", "k4"], await DrainAsync());
    }

    [Fact]
    public async Task Q8_ReschedulingAHeadThatWaitsForItsRelease_FreesTheNext()
    {
        Require(QueueFeatures.OrderedKeys);
        await SendAsync(Make("k1", key: "k", id: "1"), Make("k2", key: "k"));
        var receiver = await OpenAsync();
        await SettledAsync(Settlement.Release((await TakeAsync(receiver, "k1")).Token, Clock.LongLease));
        await AssertNothingReadyAsync(receiver);
        Assert.Equal(MessageChange.Done, await Soon(Admin.RescheduleMessageAsync(Queue, "1", Clock.Unit, Cancellation)));
        await TakeAsync(receiver, "k2");
    }

    [Fact]
    public async Task Q8_InADeadLetterQueue_KeysWorkInTheSameWay()
    {
        Require(QueueFeatures.OrderedKeys);
        await BuryAsync(Make("k1", key: "k"));
        await BuryAsync(Make("k2", key: "k"));
        await BuryAsync(Make("free"));
        var receiver = await OpenAsync(queue: DeadQueue);
        var deliveries = await PollAsync(receiver);
        Assert.Equal(["k1", "free"], Texts(deliveries));
        await CompleteInAsync(DeadQueue, deliveries[0]);
        await TakeAsync(receiver, "k2");
    }

    [Fact]
    public async Task Q8_SettleOnLease_KeepsAKeysOrder()
    {
        Require(QueueFeatures.OrderedKeys);
        await SendAsync([.. Enumerable.Range(0, 6).Select(i => Make($"{i}", key: "k"))]);
        var receiver = await OpenAsync(settleOnLease: true);
        var texts = new List<string>();
        while (await PollAsync(receiver, 4) is { Length: > 0 } some)
        {
            texts.AddRange(Texts(some));
        }

        Assert.Equal(["0", "1", "2", "3", "4", "5"], texts);
    }

    [Fact]
    public async Task Q8_SimilarKeys_AreDifferent()
    {
        Require(QueueFeatures.OrderedKeys);
        await SendAsync(Make("1", key: "k"), Make("2", key: "K"), Make("3", key: "k "), Make("4", key: "kk"));
        Assert.Equal(["1", "2", "3", "4"], Texts(await PollAsync(await OpenAsync())));
    }

    [Fact]
    public async Task Q8_OneKey_IsLeasedOnceAcrossOpenings()
    {
        Require(QueueFeatures.OrderedKeys);
        var other = (await ShareAsync()).Require<IQueueStore>();
        await SendAsync(Make("k1", key: "k"), Make("k2", key: "k"));
        var head = await TakeAsync(await OpenAsync(), "k1");
        var there = await OpenAsync(store: other);
        await AssertNothingReadyAsync(there);
        await CompleteAsync(head);
        await TakeAsync(there, "k2");
    }

    [Fact]
    public async Task Q8_ManyConsumers_NeverHoldTwoOfAKey_AndSeeEachKeyInOrder()
    {
        Require(QueueFeatures.OrderedKeys);
        const int Keys = 7;
        var each = IsFullRun ? 500 : 40;
        await SendAsync([.. Enumerable.Range(0, Keys * each).Select(i => Make($"{i / Keys}", i * 7 % 10, $"k{i % Keys}"))]);
        var held = new ConcurrentDictionary<string, string>();
        var seen = new ConcurrentDictionary<string, int>();
        var left = Keys * each;

        var consumers = Enumerable.Range(0, 4).Select(c => Task.Run(
            async () =>
            {
                await using var receiver = await Store.OpenReceiverAsync(Queue, new ReceiverOptions { LeaseDuration = Clock.LongLease }, Cancellation);
                var random = new Random(c);
                while (Volatile.Read(ref left) > 0)
                {
                    foreach (var delivery in await PollAsync(receiver, 3))
                    {
                        var key = delivery.Message.Key!;
                        Assert.True(held.TryAdd(key, Text(delivery)), $"Two messages of {key} are out: {held.GetValueOrDefault(key)} and {Text(delivery)}.");
                        Assert.Equal(seen.GetValueOrDefault(key), int.Parse(Text(delivery), System.Globalization.CultureInfo.InvariantCulture));
                        await Task.Yield();
                        var complete = random.Next(4) != 0;
                        if (complete)
                        {
                            seen[key] = seen.GetValueOrDefault(key) + 1;
                        }

                        held.TryRemove(key, out _);
                        await SettledAsync(complete ? Settlement.Complete(delivery.Token) : Settlement.Release(delivery.Token, countAttempt: false));
                        if (complete)
                        {
                            Interlocked.Decrement(ref left);
                        }
                    }
                }
            },
            Cancellation)).ToArray();
        await Task.WhenAll(consumers).WaitAsync(TimeSpan.FromMinutes(3), Cancellation);

        Assert.Equal(Keys, seen.Count);
        Assert.All(seen.Values, count => Assert.Equal(each, count));
    }
}
