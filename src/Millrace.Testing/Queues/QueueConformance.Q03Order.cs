using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

public abstract partial class QueueConformance<TFixture>
{
    [Fact]
    public async Task Q3_EqualPriorities_ComeInTheOrderOfTheirEnqueue()
    {
        await SendTextsAsync("a", "b");
        await SendTextsAsync("c");
        await SendTextsAsync("d", "e");
        Assert.Equal(["a", "b", "c", "d", "e"], await DrainAsync());
    }

    [Fact]
    public async Task Q3_HigherPriorityFirst_ThenSequence()
    {
        Require(QueueFeatures.Priorities);
        await SendAsync(Make("low 1", 0), Make("high 1", 9), Make("mid 1"), Make("low 2", 0));
        await SendAsync(Make("high 2", 9), Make("mid 2"));
        Assert.Equal(["high 1", "high 2", "mid 1", "mid 2", "low 1", "low 2"], await DrainAsync());
    }

    [Fact]
    public async Task Q3_AllTenPriorities_AreToldApart()
    {
        Require(QueueFeatures.Priorities);
        await SendAsync([.. "3905184276".Select(digit => Make($"{digit}", digit - '0'))]);
        Assert.Equal(["9", "8", "7", "6", "5", "4", "3", "2", "1", "0"], Texts(await PollAsync(await OpenAsync())));
    }

    [Fact]
    public async Task Q3_ABatchOfLeases_HasTheSameOrderAsSingleOnes()
    {
        Require(QueueFeatures.Priorities);
        await SendAsync([.. Enumerable.Range(0, 60).Select(i => Make($"{i % 10}/{i:00}", i % 10))]);
        var receiver = await OpenAsync();
        var texts = new List<string>();
        foreach (var size in new[] { 1, 7, 2, 25, 100 })
        {
            texts.AddRange(Texts(await PollAsync(receiver, size)));
        }

        Assert.Equal(Enumerable.Range(0, 60).OrderByDescending(i => i % 10).ThenBy(i => i).Select(i => $"{i % 10}/{i:00}"), texts);
    }

    [Fact]
    public async Task Q3_SeveralReceivers_ShareOneOrder()
    {
        await SendTextsAsync("a", "b", "c", "d");
        var one = await OpenAsync();
        var two = await OpenAsync();
        await TakeAsync(one, "a");
        await TakeAsync(two, "b");
        await TakeAsync(two, "c");
        await TakeAsync(one, "d");
    }

    [Fact]
    public async Task Q3_ADelayedMessage_GetsItsPlaceWhenItBecomesDue()
    {
        await SendAsync(Make("delayed", delay: Clock.Unit), Make("sent before it was due"));
        await PassAsync(Clock.Unit);
        await SendTextsAsync("sent after it was due");
        Assert.Equal(["sent before it was due", "delayed", "sent after it was due"], await DrainAsync());
    }

    [Fact]
    public async Task Q3_DelayedMessages_GetTheirPlacesInDueOrder_EvenIfNobodyLookedMeanwhile()
    {
        await SendAsync(Make("3", delay: 3 * Clock.Unit), Make("1", delay: Clock.Unit), Make("2", delay: 2 * Clock.Unit));
        await PassAsync(4 * Clock.Unit);
        await SendTextsAsync("4");
        Assert.Equal(["1", "2", "3", "4"], await DrainAsync());
    }

    [Fact]
    public async Task Q3_DelayedMessagesDueTogether_KeepTheOrderOfTheirEnqueue()
    {
        await SendAsync([.. Enumerable.Range(0, 20).Select(i => Make($"{i:00}", delay: Clock.Unit))]);
        await PassAsync(Clock.Unit);
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"{i:00}"), await DrainAsync());
    }

    [Fact]
    public async Task Q3_ADelayedMessage_KeepsItsPriority()
    {
        Require(QueueFeatures.Priorities);
        await SendAsync(Make("high delayed", 9, delay: Clock.Unit), Make("low delayed", 0, delay: Clock.Unit), Make("mid"));
        await PassAsync(Clock.Unit);
        Assert.Equal(["high delayed", "mid", "low delayed"], await DrainAsync());
    }

    [Fact]
    public async Task Q3_AnImmediateRelease_ReturnsTheMessageToItsPlace()
    {
        await SendTextsAsync("a", "b", "c");
        var receiver = await OpenAsync();
        var deliveries = await PollAsync(receiver, 2);
        await SettledAsync(Settlement.Release(deliveries[1].Token));
        await SettledAsync(Settlement.Release(deliveries[0].Token));
        Assert.Equal(["a", "b", "c"], await DrainAsync());
    }

    [Fact]
    public async Task Q3_ALostLease_ReturnsTheMessageToItsPlace()
    {
        await SendTextsAsync("a", "b", "c");
        Assert.Equal(2, (await PollAsync(await OpenAsync(Clock.Unit), 2)).Length);
        await SendTextsAsync("d");
        await PassAsync(Clock.Unit);
        Assert.Equal(["a", "b", "c", "d"], await DrainAsync());
    }

    [Fact]
    public async Task Q3_ADroppedReceiver_ReturnsItsMessagesToTheirPlaces()
    {
        await SendTextsAsync("a", "b", "c", "d");
        var receiver = await OpenAsync();
        var deliveries = await PollAsync(receiver, 3);
        await CompleteAsync(deliveries[1]);
        await Soon(receiver.DisposeAsync());
        Assert.Equal(["a", "c", "d"], await DrainAsync());
    }

    [Fact]
    public async Task Q3_ADelayedRelease_GetsANewPlaceWhenItBecomesDue()
    {
        await SendTextsAsync("a", "b");
        await SettledAsync(Settlement.Release((await TakeAsync(await OpenAsync(), "a")).Token, Clock.Unit));
        await PassAlmostAsync(Clock.Unit);
        await SendTextsAsync("c");
        await PassAsync(Clock.Unit);
        await SendTextsAsync("d");
        Assert.Equal(["b", "c", "a", "d"], await DrainAsync());
    }

    [Fact]
    public async Task Q3_ARescheduledMessage_GetsANewPlace()
    {
        await SendAsync(Make("a", id: "a"), Make("b"), Make("c", id: "c", delay: Clock.LongLease));
        Assert.Equal(MessageChange.Done, await Soon(Admin.RescheduleMessageAsync(Queue, "c", TimeSpan.Zero, Cancellation)));
        Assert.Equal(MessageChange.Done, await Soon(Admin.RescheduleMessageAsync(Queue, "a", TimeSpan.Zero, Cancellation)));
        await SendTextsAsync("d");
        Assert.Equal(["b", "c", "a", "d"], await DrainAsync());
    }

    [Fact]
    public async Task Q3_DeadLetters_StandInTheOrderInWhichTheyDied_WithinTheirPriority()
    {
        Require(QueueFeatures.Priorities);
        await SendAsync(Make("a"), Make("b"), Make("c", 9));
        var deliveries = await PollAsync(await OpenAsync());
        Assert.Equal(["c", "a", "b"], Texts(deliveries));
        await SettleAsync(
            Settlement.DeadLetter(deliveries[2].Token, "x"), Settlement.DeadLetter(deliveries[1].Token, "x"), Settlement.DeadLetter(deliveries[0].Token, "x"));
        Assert.Equal(["c", "b", "a"], await DrainAsync(DeadQueue));
    }
}
