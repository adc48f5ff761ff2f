using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

public abstract partial class QueueConformance<TFixture>
{
    [Fact]
    public async Task Q9_ABatchBeyondMaxLength_IsRefusedWhole()
    {
        Require(QueueFeatures.Bounds);
        await CreateAsync(new QueueSettings { MaxLength = 3 });
        await SendTextsAsync("a", "b");
        var error = await Assert.ThrowsAsync<QueueFullException>(() => SendTextsAsync("c", "d"));
        Assert.Equal(Queue, error.Queue);
        Assert.True(error.IsTransient);
        await SendTextsAsync("e");
        Assert.Equal(["a", "b", "e"], await DrainAsync());
    }

    [Fact]
    public async Task Q9_ABatchBeyondMaxBytes_IsRefusedWhole()
    {
        Require(QueueFeatures.Bounds);
        await CreateAsync(new QueueSettings { MaxBytes = 10 });
        await SendTextsAsync("12345");
        await Assert.ThrowsAsync<QueueFullException>(() => SendTextsAsync("123", "456"));
        await SendTextsAsync("12", "345");
        await Assert.ThrowsAsync<QueueFullException>(() => SendTextsAsync("x"));
        Assert.Equal(10, (await StatsAsync()).Bytes);
        await SendTextsAsync("");
        Assert.Equal(["12345", "12", "345", ""], await DrainAsync());
        Assert.Equal(0, (await StatsAsync()).Bytes);
    }

    [Fact]
    public async Task Q9_MessagesInEveryStateCount_DeadLettersDoNot()
    {
        Require(QueueFeatures.Bounds);
        await CreateAsync(new QueueSettings { MaxLength = 3 });
        await BuryAsync(Make("dead"));
        await SendAsync(Make("leased"), Make("scheduled", delay: Clock.LongLease), Make("ready"));
        var leased = await TakeAsync(await OpenAsync(), "leased");
        await AssertDepthsAsync(ready: 1, scheduled: 1, leased: 1, dead: 1);
        await Assert.ThrowsAsync<QueueFullException>(() => SendTextsAsync("too many"));
        await CompleteAsync(leased);
        await SendTextsAsync("fits now");
    }

    [Fact]
    public async Task Q9_DeadLettering_MakesRoom()
    {
        Require(QueueFeatures.Bounds);
        await CreateAsync(new QueueSettings { MaxLength = 1, MaxBytes = 5 });
        await BuryAsync(Make("12345"));
        await BuryAsync(Make("67890"));
        await SendTextsAsync("abcde");
        await AssertDepthsAsync(ready: 1, dead: 2);
    }

    [Fact]
    public async Task Q9_ReturnedMessages_AlwaysFit()
    {
        Require(QueueFeatures.Bounds);
        await CreateAsync(new QueueSettings { MaxLength = 4, DedupWindow = TimeSpan.Zero });
        await BuryAsync(Make("redriven"));
        await SendTextsAsync("released", "later", "lost", "dropped");
        var holding = await OpenAsync();
        var losing = await OpenAsync(Clock.Unit);
        var dropping = await OpenAsync();
        var released = await TakeAsync(holding, "released");
        var later = await TakeAsync(holding, "later");
        await TakeAsync(losing, "lost");
        await TakeAsync(dropping, "dropped");

        // The queue is made smaller than what is out, so that every return is one too many.
        await Soon(Admin.UpdateSettingsAsync(Queue, new QueueSettings { MaxLength = 1 }, Cancellation));
        await SettledAsync(Settlement.Release(released.Token));
        await SettledAsync(Settlement.Release(later.Token, Clock.Unit));
        await Soon(dropping.DisposeAsync());
        await PassAsync(Clock.Unit);
        Assert.Equal(1, await Soon(Admin.RedriveAsync(Queue, DeadLetterFilter.All, Cancellation)));

        await AssertDepthsAsync(ready: 5);
        await Assert.ThrowsAsync<QueueFullException>(() => SendTextsAsync("new"));
        Assert.Equal(["released", "lost", "dropped", "later", "redriven"], await DrainAsync());
    }

    [Fact]
    public async Task Q9_SmallerBounds_RefuseNewMessagesAndDropNone()
    {
        Require(QueueFeatures.Bounds);
        await SendTextsAsync("a", "b", "c");
        await Soon(Admin.UpdateSettingsAsync(Queue, new QueueSettings { MaxLength = 2 }, Cancellation));
        await AssertDepthsAsync(ready: 3);
        await Assert.ThrowsAsync<QueueFullException>(() => SendTextsAsync("d"));
        Assert.Equal(["a", "b", "c"], await DrainAsync());
    }

    [Fact]
    public async Task Q9_DropOldest_DropsTheOldestOfTheLowestPriority_AndCounts()
    {
        Require(QueueFeatures.Bounds | QueueFeatures.Priorities);
        await CreateAsync(new QueueSettings { MaxLength = 4, Overflow = QueueOverflow.DropOldest });
        await SendAsync(Make("high", 9), Make("low 1", 1), Make("mid", 4), Make("low 2", 1));
        await SendTextsAsync("new 1");
        Assert.Equal(1, (await StatsAsync()).Dropped);
        await SendTextsAsync("new 2", "new 3");
        Assert.Equal(3, (await StatsAsync()).Dropped);
        Assert.Equal(["high", "new 1", "new 2", "new 3"], await DrainAsync());
    }

    [Fact]
    public async Task Q9_DropOldest_DropsAsManyAsTheBytesNeed()
    {
        Require(QueueFeatures.Bounds);
        await CreateAsync(new QueueSettings { MaxBytes = 10, Overflow = QueueOverflow.DropOldest });
        await SendTextsAsync("aaa", "bbb", "ccc");
        await SendTextsAsync("dddd");
        Assert.Equal(["bbb", "ccc", "dddd"], await DrainAsync());
        Assert.Equal(1, (await StatsAsync()).Dropped);
    }

    [Fact]
    public async Task Q9_DropOldest_DropsOnlyReadyMessages_AndRefusesWhenThatIsNotEnough()
    {
        Require(QueueFeatures.Bounds);
        await CreateAsync(new QueueSettings { MaxLength = 3, Overflow = QueueOverflow.DropOldest });
        await SendAsync(Make("leased"), Make("scheduled", delay: Clock.Unit), Make("ready"));
        var leased = await TakeAsync(await OpenAsync(), "leased");
        await Assert.ThrowsAsync<QueueFullException>(() => SendTextsAsync("x", "y"));
        await AssertDepthsAsync(ready: 1, scheduled: 1, leased: 1);
        Assert.Equal(0, (await StatsAsync()).Dropped);

        await SendTextsAsync("z");
        await CompleteAsync(leased);
        await PassAsync(Clock.Unit);
        Assert.Equal(["z", "scheduled"], await DrainAsync());
    }

    [Fact]
    public async Task Q9_DropOldest_RefusesABatchThatCouldNeverFit_AndDropsNothing()
    {
        Require(QueueFeatures.Bounds);
        await CreateAsync(new QueueSettings { MaxLength = 2, Overflow = QueueOverflow.DropOldest });
        await SendTextsAsync("a", "b");
        await Assert.ThrowsAsync<QueueFullException>(() => SendTextsAsync("1", "2", "3"));
        Assert.Equal(["a", "b"], await DrainAsync());
    }

    [Fact]
    public async Task Q9_DropOldest_OfAKeysHead_FreesTheNext()
    {
        Require(QueueFeatures.Bounds | QueueFeatures.OrderedKeys);
        await CreateAsync(new QueueSettings { MaxLength = 2, Overflow = QueueOverflow.DropOldest });
        await SendAsync(Make("k1", key: "k"), Make("k2", key: "k"));
        await SendAsync(Make("k3", key: "k"));
        Assert.Equal(["k2", "k3"], await DrainAsync());
    }

    [Fact]
    public async Task Q9_Duplicates_TakeNoRoom()
    {
        Require(QueueFeatures.Bounds | QueueFeatures.Deduplication);
        await CreateAsync(new QueueSettings { MaxLength = 2 });
        await SendAsync(Make("a", id: "a"));
        await SendAsync(Make("again", id: "a"), Make("b", id: "b"), Make("again", id: "b"), Make("again", id: "a"));
        await SendAsync(Make("again", id: "b"));
        Assert.Equal(["a", "b"], await DrainAsync());
    }

    [Fact]
    public async Task Q9_ARefusedBatch_LeavesNoIdBehind()
    {
        Require(QueueFeatures.Bounds | QueueFeatures.Deduplication);
        await CreateAsync(new QueueSettings { MaxLength = 1 });
        await Assert.ThrowsAsync<QueueFullException>(() => SendAsync(Make("x", id: "x"), Make("y", id: "y")));
        Assert.Equal(EnqueueOutcome.Stored, (await SendAsync(Make("y", id: "y")))[0].Outcome);
    }

    [Fact]
    public async Task Q9_ExpiredMessages_GiveTheirRoomBack()
    {
        Require(QueueFeatures.Bounds);
        await CreateAsync(new QueueSettings { MaxLength = 1 });
        await SendAsync(Make("expires", ttl: Clock.Unit));
        await PassAsync(Clock.Unit);
        await AssertNothingReadyAsync(await OpenAsync());
        await SendTextsAsync("fits");
        Assert.Equal(["fits"], await DrainAsync());
    }

    [Fact]
    public async Task Q9_ManyProducers_NeverPassTheBound_AndNoRefusalIsInVain()
    {
        Require(QueueFeatures.Bounds);
        const int Bound = 25;
        await CreateAsync(new QueueSettings { MaxLength = Bound });
        var stored = 0;
        await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Task.Run(
            async () =>
            {
                try
                {
                    await SendTextsAsync($"m{i}");
                    Interlocked.Increment(ref stored);
                }
                catch (QueueFullException)
                {
                    // Counted by what is stored in the end.
                }
            },
            Cancellation)));
        Assert.Equal(Bound, stored);
        Assert.Equal(Bound, (await DrainAsync()).Length);
    }
}
