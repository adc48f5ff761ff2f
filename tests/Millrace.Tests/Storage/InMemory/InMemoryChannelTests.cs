using System.Globalization;
using System.Text;
using Millrace.Storage;
using Millrace.Storage.InMemory;
using Millrace.Testing;
using Xunit;

namespace Millrace.Tests.Storage.InMemory;

/// <summary>Buffers, policies, history and order of the in-memory channel, beyond what its laws say.</summary>
public sealed class InMemoryChannelTests : IAsyncLifetime
{
    private readonly ManualTimeProvider _time = new();
    private Backend _backend = null!;
    private IChannelTransport _channels = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _backend = await OpenAsync("memory:?history=5&historyTtlMs=10000&historyBytes=100");
        _channels = _backend.Require<IChannelTransport>();
    }

    public ValueTask DisposeAsync() => _backend.DisposeAsync();

    [Theory]
    [InlineData(SlowSubscriberPolicy.DropOldest, new[] { 3, 4, 5 }, 2)]
    [InlineData(SlowSubscriberPolicy.DropNewest, new[] { 1, 2, 3 }, 2)]
    [InlineData(SlowSubscriberPolicy.Disconnect, new[] { 1, 2, 3 }, 1)]
    public async Task C3_AFullBuffer_DoesWhatItsPolicySays_AndCounts(SlowSubscriberPolicy policy, int[] read, long dropped)
    {
        await using var subscription = await SubscribeAsync("*", new SubscriptionOptions { Capacity = 3, WhenFull = policy });
        for (var i = 1; i <= 5; i++)
        {
            await PublishAsync("t", i);
        }

        Assert.Equal(new SubscriptionStats(0, dropped, 3, policy == SlowSubscriberPolicy.Disconnect), subscription.Stats);
        Assert.Equal(read, await ReadAsync(subscription));
        Assert.Equal(new SubscriptionStats(3, dropped, 0, policy == SlowSubscriberPolicy.Disconnect), subscription.Stats);
        if (policy == SlowSubscriberPolicy.Disconnect)
        {
            Assert.Equal(0, await subscription.ReadAsync(new ChannelMessage[1], Token));
        }
    }

    [Fact]
    public async Task C3_APublisherThatWaits_GoesOnWhenThereIsRoom_AndOrderHolds()
    {
        await using var subscription = await SubscribeAsync("*", new SubscriptionOptions { Capacity = 1, WhenFull = SlowSubscriberPolicy.Wait });
        await PublishAsync("t", 1);
        var second = PublishAsync("t", 2);
        var third = PublishAsync("t", 3);

        Assert.False(second.IsCompleted);
        await AssertReadAsync(subscription, 1, 1);
        await second;
        Assert.False(third.IsCompleted);
        await AssertReadAsync(subscription, 1, 2);
        await third;
        await AssertReadAsync(subscription, 1, 3);
        Assert.Equal(0, subscription.Stats.Dropped);
    }

    [Fact]
    public async Task C3_APublisherThatWaits_GivesUpAtItsDeadline_OrWhenCancelled_OrWhenTheReaderGoes()
    {
        var subscription = await SubscribeAsync("*", new SubscriptionOptions { Capacity = 1, WhenFull = SlowSubscriberPolicy.Wait, WaitDeadline = TimeSpan.FromSeconds(2) });
        await PublishAsync("t", 1);
        var late = PublishAsync("t", 2);
        _time.Advance(TimeSpan.FromMilliseconds(1999));
        Assert.False(late.IsCompleted);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        await late;
        Assert.Equal(1, subscription.Stats.Dropped);

        using var cancelling = new CancellationTokenSource();
        var cancelled = _channels.PublishAsync("t", new Envelope(Body(3)), cancelling.Token).AsTask();
        await cancelling.CancelAsync();
        Assert.NotEqual(default, await cancelled);
        Assert.Equal(2, subscription.Stats.Dropped);

        var abandoned = PublishAsync("t", 4);
        await subscription.DisposeAsync();
        await abandoned;
        Assert.Equal(new SubscriptionStats(0, 3, 0, false), subscription.Stats);
    }

    [Fact]
    public async Task C3_APublisherThatWaitsForBytes_GoesOnWhenThereAreEnough_AlsoWhenTheOneBeforeItGivesUp()
    {
        var second = TimeSpan.FromSeconds(1);
        await using var subscription = await SubscribeAsync("*", new SubscriptionOptions { MaxBytes = 12, WhenFull = SlowSubscriberPolicy.Wait, WaitDeadline = second });
        await PublishSizedAsync(4);
        await PublishSizedAsync(4);
        var large = PublishSizedAsync(9);
        _time.Advance(second / 2);
        var small = PublishSizedAsync(3);

        // There is room for the small one, but the large one is before it.
        Assert.False(large.IsCompleted || small.IsCompleted);
        _time.Advance(second / 2);
        await large;
        await small;
        Assert.Equal(new SubscriptionStats(0, 1, 3, false), subscription.Stats);

        var next = PublishSizedAsync(8);
        var into = new ChannelMessage[1];
        await subscription.ReadAsync(into, Token);
        Assert.False(next.IsCompleted);
        await subscription.ReadAsync(into, Token);
        await next;
        Assert.Equal(new SubscriptionStats(2, 1, 2, false), subscription.Stats);
    }

    [Fact]
    public async Task C4_ResumingByGlob_ReplaysWhatIsKept_ThenGoesOnLive()
    {
        var first = await PublishAsync("a.1", 1);
        await PublishAsync("b.1", 2);
        await PublishAsync("a.2", 3);
        await using var subscription = await SubscribeAsync("a.*", new SubscriptionOptions { ResumeAfter = first, Capacity = 1 });
        await PublishAsync("a.3", 4);

        await AssertReadAsync(subscription, 100, 3, 4);
    }

    [Fact]
    public async Task C4_WhenHistoryHasMovedOn_AGapComesFirst_AndItsIdContinues()
    {
        var first = await PublishAsync("t", 0);
        for (var i = 1; i <= 7; i++)
        {
            await PublishAsync("t", i);
        }

        var history = await _channels.GetHistoryAsync(TopicPattern.All, first, cancellationToken: Token);
        Assert.True(history[0].IsGap);
        Assert.Equal([3, 4, 5, 6, 7], history.Skip(1).Select(Number));
        Assert.Equal([3, 4, 5, 6, 7], (await _channels.GetHistoryAsync(TopicPattern.All, history[0].Id, cancellationToken: Token)).Select(Number));
        Assert.Equal([3, 4, 5, 6, 7], (await _channels.GetHistoryAsync(TopicPattern.All, cancellationToken: Token)).Select(Number));
        Assert.Empty(await _channels.GetHistoryAsync(TopicPattern.All, history[^1].Id, cancellationToken: Token));
    }

    [Fact]
    public async Task C4_AnIdOfAnotherInstance_IsAGap()
    {
        await using var other = await OpenAsync("memory:");
        var foreign = await other.Channels!.PublishAsync("t", new Envelope(Body(1)), Token);
        await PublishAsync("t", 2);

        var history = await _channels.GetHistoryAsync(TopicPattern.All, foreign, cancellationToken: Token);

        Assert.True(history[0].IsGap);
        Assert.Equal(2, Number(Assert.Single(history.Skip(1))));
    }

    [Fact]
    public async Task History_IsBoundedByAgeAndBytes()
    {
        await PublishAsync("t", 1);
        _time.Advance(TimeSpan.FromSeconds(9));
        await PublishAsync("t", 2);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal([2], (await _channels.GetHistoryAsync(TopicPattern.All, cancellationToken: Token)).Select(Number));

        await _channels.PublishAsync("t", new Envelope(new byte[100]), Token);
        Assert.Equal(100, Assert.Single(await _channels.GetHistoryAsync(TopicPattern.All, cancellationToken: Token)).Body.Length);
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Empty(await _channels.GetHistoryAsync(TopicPattern.All, cancellationToken: Token));
    }

    [Fact]
    public async Task C5_DisposingEndsAReadThatWaits_AndCancellingDoesNotEndTheSubscription()
    {
        var subscription = await SubscribeAsync("*", SubscriptionOptions.Default);
        using var cancelling = new CancellationTokenSource();
        var cancelled = subscription.ReadAsync(new ChannelMessage[1], cancelling.Token).AsTask();
        await cancelling.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        await PublishAsync("t", 1);
        await AssertReadAsync(subscription, 100, 1);

        var waiting = subscription.ReadAsync(new ChannelMessage[1], Token).AsTask();
        await subscription.DisposeAsync();
        Assert.Equal(0, await waiting);
        Assert.Equal(0, await subscription.ReadAsync(new ChannelMessage[1], Token));
    }

    [Fact]
    public async Task WishesOfAQueue_AreRefused()
    {
        foreach (var envelope in (Envelope[])[new() { Id = "a" }, new() { Key = "k" }, new() { Priority = 9 }, new() { Delay = TimeSpan.FromSeconds(1) }, new() { TimeToLive = TimeSpan.FromSeconds(1) }])
        {
            await Assert.ThrowsAsync<InvalidMessageException>(() => _channels.PublishAsync("t", envelope, Token).AsTask());
        }

        await Assert.ThrowsAsync<InvalidNameException>(() => _channels.PublishAsync("", default, Token).AsTask());
    }

    [Fact]
    public async Task FromManyPublishers_EverySubscriberSeesTheIdsRise_AndMissesNone()
    {
        const int Publishers = 4;
        const int Each = 5000;
        var subscriptions = new List<IChannelSubscription>();
        var readers = new List<Task<List<ChannelMessage>>>();
        for (var i = 0; i < 6; i++)
        {
            var subscription = await SubscribeAsync(i % 2 == 0 ? "*" : "t", new SubscriptionOptions { Capacity = 64, WhenFull = SlowSubscriberPolicy.Wait, WaitDeadline = TimeSpan.FromDays(1) });
            subscriptions.Add(subscription);
            readers.Add(Task.Run(() => ReadAllAsync(subscription, Publishers * Each), Token));
        }

        await Task.WhenAll(Enumerable.Range(0, Publishers).Select(publisher => Task.Run(
            async () =>
            {
                for (var i = 0; i < Each; i++)
                {
                    await PublishAsync("t", (publisher * Each) + i);
                }
            },
            Token)));

        foreach (var messages in await Task.WhenAll(readers))
        {
            Assert.Equal(Publishers * Each, messages.Count);
            Assert.True(messages.Zip(messages.Skip(1)).All(pair => pair.First.Id < pair.Second.Id));
            foreach (var ofOne in messages.Select(Number).GroupBy(number => number / Each))
            {
                Assert.Equal(Enumerable.Range(ofOne.Key * Each, Each), ofOne);
            }
        }

        foreach (var subscription in subscriptions)
        {
            await subscription.DisposeAsync();
        }
    }

    private static async Task<List<ChannelMessage>> ReadAllAsync(IChannelSubscription subscription, int count)
    {
        var read = new List<ChannelMessage>();
        var into = new ChannelMessage[100];
        while (read.Count < count)
        {
            read.AddRange(into.AsSpan(0, await subscription.ReadAsync(into, Token)));
        }

        return read;
    }

    private static byte[] Body(int number) => Encoding.ASCII.GetBytes(number.ToString(CultureInfo.InvariantCulture));

    private static int Number(ChannelMessage message) => int.Parse(message.Body.Span, CultureInfo.InvariantCulture);

    private static async Task AssertReadAsync(IChannelSubscription subscription, int count, params int[] expected) =>
        Assert.Equal(expected, await ReadAsync(subscription, count));

    private static async Task<int[]> ReadAsync(IChannelSubscription subscription, int count = 100)
    {
        var into = new ChannelMessage[count];
        var read = 0;
        do
        {
            read += await subscription.ReadAsync(into.AsMemory(read), Token);
        }
        while (read < count && subscription.Stats.Buffered > 0);

        return Array.ConvertAll(into[..read], Number);
    }

    private ValueTask<Backend> OpenAsync(string url) =>
        InMemoryBackend.OpenAsync(BackendUrl.Parse(url), new BackendContext { TimeProvider = _time }, Token);

    private Task<ChannelMessageId> PublishSizedAsync(int bytes) => _channels.PublishAsync("t", new Envelope(new byte[bytes]), Token).AsTask();

    private async Task<IChannelSubscription> SubscribeAsync(string pattern, SubscriptionOptions options) =>
        await _channels.SubscribeAsync(TopicPattern.Parse(pattern), options, Token);

    private Task<ChannelMessageId> PublishAsync(string topic, int number) => _channels.PublishAsync(topic, new Envelope(Body(number)), Token).AsTask();
}
