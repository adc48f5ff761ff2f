using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Channels;

public abstract partial class ChannelConformance<TFixture>
{
    [Fact]
    public async Task C3_AFullBuffer_DropsTheOldest_AndCounts()
    {
        var subscription = await SubscribeAsync("t", new SubscriptionOptions { Capacity = 3, WhenFull = SlowSubscriberPolicy.DropOldest });
        await PublishManyAsync(5);
        await SettledAsync(subscription, new SubscriptionStats(0, 2, 3, false));
        Assert.Equal(["m3", "m4", "m5"], await ReadAsync(subscription, 3));
        Assert.Equal(new SubscriptionStats(3, 2, 0, false), subscription.Stats);
    }

    [Fact]
    public async Task C3_AFullBuffer_DropsTheNewest_AndCounts()
    {
        var subscription = await SubscribeAsync("t", new SubscriptionOptions { Capacity = 3, WhenFull = SlowSubscriberPolicy.DropNewest });
        await PublishManyAsync(5);
        await SettledAsync(subscription, new SubscriptionStats(0, 2, 3, false));
        Assert.Equal(["m1", "m2", "m3"], await ReadAsync(subscription, 3));
        await PublishAsync("t", "m6");
        Assert.Equal(["m6"], await ReadAsync(subscription, 1));
        Assert.Equal(new SubscriptionStats(4, 2, 0, false), subscription.Stats);
    }

    [Fact]
    public async Task C3_AFullBuffer_DisconnectsAfterWhatIsBufferedHasBeenRead()
    {
        var subscription = await SubscribeAsync("t", new SubscriptionOptions { Capacity = 3, WhenFull = SlowSubscriberPolicy.Disconnect });
        await PublishManyAsync(5);
        await UntilAsync(() => subscription.Stats.Disconnected);
        Assert.Equal(["m1", "m2", "m3"], await ReadAsync(subscription, 3));
        Assert.Equal(0, await Soon(subscription.ReadAsync(new ChannelMessage[1], Cancellation)));
        Assert.True(subscription.Stats.Disconnected);
    }

    [Fact]
    public async Task C3_ABufferThatIsFullOfBytes_DropsAsManyOfTheOldestAsItTakes()
    {
        var subscription = await SubscribeAsync("t", new SubscriptionOptions { MaxBytes = 8, WhenFull = SlowSubscriberPolicy.DropOldest });
        await PublishManyAsync(4);
        await SettledAsync(subscription, new SubscriptionStats(0, 0, 4, false));
        await PublishAsync("t", "m5m5");
        await SettledAsync(subscription, new SubscriptionStats(0, 2, 3, false));
        Assert.Equal(["m3", "m4", "m5m5"], await ReadAsync(subscription, 3));
        Assert.Equal(new SubscriptionStats(3, 2, 0, false), subscription.Stats);
    }

    [Fact]
    public async Task C3_ABufferThatIsFullOfBytes_DropsTheNewest_UntilWhatWaitsHasBeenRead()
    {
        var subscription = await SubscribeAsync("t", new SubscriptionOptions { MaxBytes = 8, WhenFull = SlowSubscriberPolicy.DropNewest });
        await PublishManyAsync(5);
        await SettledAsync(subscription, new SubscriptionStats(0, 1, 4, false));
        Assert.Equal(["m1"], await ReadAsync(subscription, 1));
        await PublishAsync("t", "m6");
        await SettledAsync(subscription, new SubscriptionStats(1, 1, 4, false));
        Assert.Equal(["m2", "m3", "m4", "m6"], await ReadAsync(subscription, 4));
    }

    [Fact]
    public async Task C3_ABufferThatIsFullOfBytes_Disconnects()
    {
        var subscription = await SubscribeAsync("t", new SubscriptionOptions { MaxBytes = 4, WhenFull = SlowSubscriberPolicy.Disconnect });
        await PublishManyAsync(3);
        await UntilAsync(() => subscription.Stats.Disconnected);
        Assert.Equal(["m1", "m2"], await ReadAsync(subscription, 2));
        Assert.Equal(0, await Soon(subscription.ReadAsync(new ChannelMessage[1], Cancellation)));
    }

    [Theory]
    [InlineData(SlowSubscriberPolicy.DropOldest)]
    [InlineData(SlowSubscriberPolicy.DropNewest)]
    [InlineData(SlowSubscriberPolicy.Disconnect)]
    public async Task C3_AMessageLargerThanTheBoundInBytes_IsTakenByAnEmptyBuffer(SlowSubscriberPolicy whenFull)
    {
        var subscription = await SubscribeAsync("t", new SubscriptionOptions { MaxBytes = 1, WhenFull = whenFull });
        for (var i = 1; i <= 2; i++)
        {
            await PublishAsync("t", $"large {i}");
            Assert.Equal([$"large {i}"], await ReadAsync(subscription, 1));
        }

        Assert.Equal(new SubscriptionStats(2, 0, 0, false), subscription.Stats);
    }

    [Fact]
    public async Task C3_ASlowSubscriber_HoldsBackNoOther()
    {
        await SubscribeAsync("t", new SubscriptionOptions { Capacity = 1, WhenFull = SlowSubscriberPolicy.DropOldest });
        await SubscribeAsync("t", new SubscriptionOptions { Capacity = 1, WhenFull = SlowSubscriberPolicy.Disconnect });
        var quick = await SubscribeAsync("t", new SubscriptionOptions { Capacity = 100 });
        await PublishManyAsync(50);
        Assert.Equal(Enumerable.Range(1, 50).Select(i => $"m{i}"), await ReadAsync(quick, 50));
    }

    [Fact]
    public async Task C3_Waiting_HoldsThePublisherUntilThereIsRoom()
    {
        var subscription = await WaitingSubscriptionAsync(Clock.LongLease);
        await PublishManyAsync(2);
        var publishing = PublishAsync("t", "m3");
        await StillWaits(publishing);
        Assert.Equal(["m1"], await ReadAsync(subscription, 1));
        await Soon(publishing);
        Assert.Equal(["m2", "m3"], await ReadAsync(subscription, 2));
        Assert.Equal(new SubscriptionStats(3, 0, 0, false), subscription.Stats);
    }

    [Fact]
    public async Task C3_Waiting_EndsAtItsDeadline_AndDropsTheNewMessage()
    {
        var subscription = await WaitingSubscriptionAsync(Clock.Unit);
        await PublishManyAsync(2);
        var publishing = PublishUnboundedAsync("m3");
        await StillWaits(publishing);
        await Within(2 * Clock.Unit, publishing);
        Assert.Equal(["m1", "m2"], await ReadAsync(subscription, 2));
        Assert.Equal(new SubscriptionStats(2, 1, 0, false), subscription.Stats);
    }

    [Fact]
    public async Task C3_Waiting_EndsWhenTheSubscriberLeaves()
    {
        var subscription = await WaitingSubscriptionAsync(Clock.LongLease);
        await PublishManyAsync(2);
        var publishing = PublishAsync("t", "m3");
        await StillWaits(publishing);
        await Soon(subscription.DisposeAsync());
        await Soon(publishing);
    }

    [Fact]
    public async Task C4_Ids_OrderTheMessagesOfATransport()
    {
        var subscription = await SubscribeAsync("*");
        var ids = new List<ChannelMessageId>();
        for (var i = 0; i < 10; i++)
        {
            ids.Add(await PublishAsync($"t{i % 3}", $"m{i}"));
        }

        Assert.Equal(ids.Order(), ids);
        Assert.Equal(ids.Count, ids.Distinct().Count());
        Assert.Equal(ids, (await ReadMessagesAsync(subscription, 10)).Select(message => message.Id));
        Assert.All(ids, id => Assert.Equal(id, ChannelMessageId.Parse(id.ToString())));
    }

    [Fact]
    public async Task C4_History_HoldsWhatIsKept_ByPattern_AfterAnId_UpToALimit()
    {
        if (!await KeepsHistoryAsync())
        {
            return;
        }

        var ids = new List<ChannelMessageId>();
        for (var i = 0; i < 6; i++)
        {
            ids.Add(await PublishAsync(i % 2 == 0 ? "even" : "odd", $"m{i}"));
        }

        Assert.Equal(["m0", "m2", "m4"], await HistoryAsync("even"));
        Assert.Equal(["m0", "m1", "m2", "m3", "m4", "m5"], await HistoryAsync("[eo]*"));
        Assert.Equal(["m3", "m4", "m5"], await HistoryAsync("[eo]*", ids[2]));
        Assert.Equal(["m3"], await HistoryAsync("[eo]*", ids[2], 1));
        Assert.Empty(await HistoryAsync("[eo]*", ids[5]));
    }

    [Fact]
    public async Task C4_ASubscriber_ResumesAfterAnId_AndGoesOnLive()
    {
        if (!await KeepsHistoryAsync())
        {
            return;
        }

        var first = await PublishAsync("a", "m1");
        await PublishAsync("b", "m2");
        await PublishAsync("c", "m3");
        var resumed = await SubscribeAsync("[ab]", new SubscriptionOptions { ResumeAfter = first });
        await PublishAsync("a", "m4");
        Assert.Equal(["m2", "m4"], await ReadAsync(resumed, 2));
        await AssertNothingAsync(resumed);
    }

    [Fact]
    public async Task C4_ResumingWhileOthersPublish_NeitherMissesNorRepeats()
    {
        if (!await KeepsHistoryAsync())
        {
            return;
        }

        var last = await PublishAsync("t", "0");
        for (var round = 0; round < 10; round++)
        {
            var start = (round * 40) + 1;
            var publishing = Task.Run(
                async () =>
                {
                    for (var i = start; i < start + 40; i++)
                    {
                        await PublishAsync("t", $"{i}");
                    }
                },
                Cancellation);
            var resumed = await SubscribeAsync("t", new SubscriptionOptions { ResumeAfter = last });
            var messages = await ReadMessagesAsync(resumed, 40);
            await publishing;
            Assert.Equal(Enumerable.Range(start, 40).Select(i => $"{i}"), messages.Select(message => System.Text.Encoding.UTF8.GetString(message.Body.Span)));
            last = messages[^1].Id;
            await Soon(resumed.DisposeAsync());
        }
    }

    [Fact]
    public async Task C4_WhenHistoryHasMovedOn_AGapMarkerComesFirst()
    {
        if (!await KeepsHistoryAsync())
        {
            return;
        }

        const int MostThatATestFixtureShouldKeep = 20_000;
        var first = await PublishAsync("t", "first");
        var lost = await PublishAsync("t", "lost");
        for (var i = 0; i < MostThatATestFixtureShouldKeep && (i % 100 != 0 || (await HistoryAsync("t", first, 1)) is ["lost"]); i++)
        {
            await PublishAsync("t", $"m{i}");
        }

        var kept = await Soon(Channels.GetHistoryAsync(TopicPattern.Parse(Topic("t")), first, int.MaxValue, Cancellation));
        Assert.True(kept[0].IsGap, "Messages are gone, and no gap marker says so.");
        Assert.True(kept[0].Id >= lost && kept[0].Id < kept[1].Id);
        Assert.Equal((0, 0), (kept[0].Topic.Length, kept[0].Body.Length));
        Assert.All(kept.Skip(1), message => Assert.False(message.IsGap));

        // Resuming after the marker's id continues without a gap; resuming after the lost one starts with it.
        var continued = await Soon(Channels.GetHistoryAsync(TopicPattern.Parse(Topic("t")), kept[0].Id, int.MaxValue, Cancellation));
        Assert.Equal(kept.Skip(1).Select(message => message.Id), continued.Select(message => message.Id));
        var resumed = await SubscribeAsync("t", new SubscriptionOptions { ResumeAfter = first, Capacity = kept.Count + 10 });
        var messages = await ReadMessagesAsync(resumed, 2);
        Assert.True(messages[0].IsGap);
        Assert.Equal(kept[1].Id, messages[1].Id);
    }

    // Whether the transport, as the fixture opens it, has a history long enough for these tests: C4 asks for one only where it is configured.
    private async Task<bool> KeepsHistoryAsync()
    {
        await PublishAsync("probe", "probe");
        if ((await HistoryAsync("probe")).Length == 0)
        {
            Skip("history", "is opened without a history");
        }

        return true;
    }

    private async Task<string[]> HistoryAsync(string pattern, ChannelMessageId? after = null, int limit = 1000) =>
        [.. (await Soon(Channels.GetHistoryAsync(TopicPattern.Parse(_root + pattern), after, limit, Cancellation)))
            .Select(message => message.IsGap ? "gap" : System.Text.Encoding.UTF8.GetString(message.Body.Span))];

    private async Task PublishManyAsync(int count)
    {
        for (var i = 1; i <= count; i++)
        {
            await PublishAsync("t", $"m{i}");
        }
    }

    private async Task PublishUnboundedAsync(string text) => await Channels.PublishAsync(Topic("t"), new Envelope(System.Text.Encoding.UTF8.GetBytes(text)), Cancellation);

    // In-process transports only; others refuse the policy when they are asked for it, which is the test's answer too.
    private async Task<IChannelSubscription> WaitingSubscriptionAsync(TimeSpan deadline)
    {
        try
        {
            return await SubscribeAsync("t", new SubscriptionOptions { Capacity = 2, WhenFull = SlowSubscriberPolicy.Wait, WaitDeadline = deadline });
        }
        catch (MillraceConfigurationException)
        {
            Skip("waiting", "does not let publishers wait");
            throw;
        }
    }

    // A subscriber's buffer may fill after its publish has returned, where a server is between them.
    private static Task SettledAsync(IChannelSubscription subscription, SubscriptionStats expected) => UntilAsync(() => subscription.Stats == expected);

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (var i = 0; i < 6000 && !condition(); i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, Cancellation);
        }

        Assert.True(condition());
    }
}
