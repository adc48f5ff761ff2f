using System.Globalization;
using System.Text;
using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Channels;

/// <summary>The laws C1–C5 of <see cref="IChannelTransport"/>. Derive from it to prove a channel transport.</summary>
/// <typeparam name="TFixture">The backend under test.</typeparam>
public abstract partial class ChannelConformance<TFixture> : ConformanceSuite<TFixture>
    where TFixture : BackendFixture, new()
{
    private readonly List<IChannelSubscription> _subscriptions = [];

    // Topics of this test alone, as the transport may be shared with others.
    private readonly string _root = "c-" + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..12];

    private IChannelTransport Channels => Contract<IChannelTransport>();

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        foreach (var subscription in _subscriptions)
        {
            await Soon(subscription.DisposeAsync());
        }

        await base.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task C1_EveryPublishAfterSubscribe_ReachesTheSubscriber_InOrder()
    {
        await PublishAsync("t", "before");
        var subscription = await SubscribeAsync("t");
        await PublishAsync("t", "a");
        await PublishAsync("t", "b");
        await PublishAsync("t", "c");
        Assert.Equal(["a", "b", "c"], await ReadAsync(subscription, 3));
        await AssertNothingAsync(subscription);
    }

    [Fact]
    public async Task C1_EverySubscriber_GetsEveryMessage()
    {
        var one = await SubscribeAsync("t");
        var two = await SubscribeAsync("t");
        var other = await SubscribeAsync("u");
        await PublishAsync("t", "m");
        Assert.Equal(["m"], await ReadAsync(one, 1));
        Assert.Equal(["m"], await ReadAsync(two, 1));
        await AssertNothingAsync(other);
    }

    [Fact]
    public async Task C1_AMessage_ArrivesWithEverythingItWasSentWith()
    {
        var subscription = await SubscribeAsync("*");
        var headers = MessageHeaders.Create(new("z", "1"), new("a", "ü"));
        var body = Enumerable.Range(0, 256).Select(i => (byte)i).ToArray();
        var id = await Soon(Channels.PublishAsync(Topic("t"), new Envelope(body) { ContentType = "text/plain", Headers = headers }, Cancellation));
        body.AsSpan().Clear();
        var message = (await ReadMessagesAsync(subscription, 1))[0];
        Assert.Equal((id, Topic("t"), "text/plain", false), (message.Id, message.Topic, message.ContentType, message.IsGap));
        Assert.Equal(headers.ToArray(), message.Headers.ToArray());
        Assert.Equal(Enumerable.Range(0, 256).Select(i => (byte)i), message.Body.ToArray());
        Assert.Equal(Clock.TimeProvider.GetUtcNow(), message.PublishedAt, Clock.Margin == TimeSpan.Zero ? TimeSpan.FromMilliseconds(1) : TimeSpan.FromMinutes(5));
    }

    [Fact]
    public async Task C1_AMessageWithNothingButABody_HasDefaults()
    {
        var subscription = await SubscribeAsync("t");
        await Soon(Channels.PublishAsync(Topic("t"), new Envelope(default), Cancellation));
        var message = (await ReadMessagesAsync(subscription, 1))[0];
        Assert.Equal((0, null, 0), (message.Body.Length, message.ContentType, message.Headers.Count));
    }

    [Fact]
    public async Task C1_AReader_WaitsForAMessage()
    {
        var subscription = await SubscribeAsync("t");
        var reading = ReadAsync(subscription, 1);
        await StillWaits(reading);
        await PublishAsync("t", "m");
        Assert.Equal(["m"], await Soon(reading));
    }

    [Fact]
    public async Task C1_ManyPublishers_EachKeepTheirOrder()
    {
        const int Publishers = 4;
        var each = IsFullRun ? 2_000 : 200;
        var subscription = await SubscribeAsync("*", new SubscriptionOptions { Capacity = Publishers * each });
        await Task.WhenAll(Enumerable.Range(0, Publishers).Select(p => Task.Run(
            async () =>
            {
                for (var i = 0; i < each; i++)
                {
                    await PublishAsync($"t{i % 3}", string.Create(CultureInfo.InvariantCulture, $"{p}/{i}"));
                }
            },
            Cancellation)));
        var seen = (await ReadAsync(subscription, Publishers * each)).Select(text => text.Split('/')).ToList();
        for (var p = 0; p < Publishers; p++)
        {
            var publisher = $"{p}";
            Assert.Equal(Enumerable.Range(0, each).Select(i => $"{i}"), seen.Where(parts => parts[0] == publisher).Select(parts => parts[1]));
        }
    }

    [Fact]
    public async Task C1_SubscribingWhileOthersPublish_MissesNothingAfterItHasReturned()
    {
        for (var round = 0; round < 30; round++)
        {
            using var stop = new CancellationTokenSource();
            var noise = Task.Run(
                async () =>
                {
                    while (!stop.IsCancellationRequested)
                    {
                        await PublishAsync("t", "noise");
                    }
                },
                Cancellation);
            var subscription = await SubscribeAsync("t", new SubscriptionOptions { Capacity = 100_000 });
            await PublishAsync("t", "signal");
            var found = false;
            while (!found)
            {
                found = (await ReadAsync(subscription, 1))[0] == "signal";
            }

            await stop.CancelAsync();
            await Soon(noise);
            await Soon(subscription.DisposeAsync());
        }
    }

    [Fact]
    public async Task C1_APublishWithoutSubscribers_IsNoError() => Assert.NotEqual(default, await PublishAsync("t", "m"));

    [Fact]
    public async Task C1_BadInput_IsRefused()
    {
        foreach (var topic in new[] { "", "a\nb", new string('x', 201) })
        {
            await Assert.ThrowsAsync<InvalidNameException>(() => Soon(Channels.PublishAsync(topic, new Envelope(default), Cancellation)));
        }

        foreach (var envelope in new Envelope[]
        {
            new(default) { Key = "k" }, new(default) { Priority = 9 }, new(default) { Delay = TimeSpan.FromSeconds(1) }, new(default) { TimeToLive = TimeSpan.FromSeconds(1) },
            new(default) { Id = "x" },
        })
        {
            await Assert.ThrowsAsync<InvalidMessageException>(() => Soon(Channels.PublishAsync(Topic("t"), envelope, Cancellation)));
        }

        await Assert.ThrowsAsync<MillraceConfigurationException>(() => SubscribeAsync("t", new SubscriptionOptions { Capacity = 0 }));
        await Assert.ThrowsAsync<MillraceConfigurationException>(() => SubscribeAsync("t", new SubscriptionOptions { MaxBytes = 0 }));
        await Assert.ThrowsAsync<MillraceConfigurationException>(() => SubscribeAsync("t", new SubscriptionOptions { WaitDeadline = TimeSpan.FromSeconds(-1) }));
    }

    [Fact]
    public async Task C2_Subscriptions_SpeakTheOnePatternLanguage()
    {
        string[] topics = [".", ".a", ".ab", ".b.c", ".[x]", ".A"];
        (string Pattern, string[] Expected)[] cases =
        [
            (".*", topics),
            (".?", [".a", ".A"]),
            (".[ab]*", [".a", ".ab", ".b.c"]),
            (".[!a]*", [".b.c", ".[x]", ".A"]),
            (".[[]x]", [".[x]"]),
            (".a", [".a"]),
            (".>", []),
            (".#", []),
        ];
        foreach (var (pattern, expected) in cases)
        {
            var subscription = await SubscribeAsync(pattern);
            foreach (var topic in topics)
            {
                await PublishAsync(topic, topic);
            }

            Assert.Equal((pattern, string.Join(' ', expected)), (pattern, string.Join(' ', await ReadAsync(subscription, expected.Length))));
            await AssertNothingAsync(subscription);
            await Soon(subscription.DisposeAsync());
        }
    }

    [Fact]
    public async Task C2_ATopicOfAPublish_IsLiteral()
    {
        var literal = await SubscribeAsync("a");
        var star = await SubscribeAsync("[*]");
        await PublishAsync("*", "m");
        await AssertNothingAsync(literal);
        Assert.Equal(["m"], await ReadAsync(star, 1));
    }

    [Fact]
    public async Task C5_Disposing_EndsAReadThatWaits_AndLaterOnes()
    {
        var subscription = await SubscribeAsync("t");
        var reading = subscription.ReadAsync(new ChannelMessage[1], Cancellation).AsTask();
        await StillWaits(reading);
        await Soon(subscription.DisposeAsync());
        Assert.Equal(0, await Soon(reading));
        Assert.Equal(0, await Soon(subscription.ReadAsync(new ChannelMessage[1], Cancellation)));
        await Soon(subscription.DisposeAsync());
    }

    [Fact]
    public async Task C5_ADisposedSubscription_HoldsNothing_AndStopsNobody()
    {
        var gone = await SubscribeAsync("t", new SubscriptionOptions { Capacity = 2 });
        var stays = await SubscribeAsync("t");
        await PublishAsync("t", "a");
        await Soon(gone.DisposeAsync());
        await PublishAsync("t", "b");
        Assert.Equal(0, gone.Stats.Buffered);
        Assert.Equal(["a", "b"], await ReadAsync(stays, 2));
    }

    [Fact]
    public async Task C5_CancellingARead_LosesNothing()
    {
        var subscription = await SubscribeAsync("t");
        for (var i = 0; i < 200; i++)
        {
            using var cancellation = new CancellationTokenSource();
            var into = new ChannelMessage[1];
            var reading = subscription.ReadAsync(into, cancellation.Token).AsTask();
            var publish = Task.Run(() => PublishAsync("t", $"m{i}"), Cancellation);
            if (i % 2 == 0)
            {
                await Task.Yield();
            }

            await cancellation.CancelAsync();
            await publish;
            string text;
            try
            {
                Assert.Equal(1, await Soon(reading));
                text = Encoding.UTF8.GetString(into[0].Body.Span);
            }
            catch (OperationCanceledException)
            {
                text = (await ReadAsync(subscription, 1))[0];
            }

            Assert.Equal($"m{i}", text);
        }
    }

    [Fact]
    public async Task C5_ManySubscriptions_ComeAndGo()
    {
        for (var round = 0; round < 3; round++)
        {
            var subscriptions = new List<IChannelSubscription>();
            for (var i = 0; i < 100; i++)
            {
                subscriptions.Add(await SubscribeAsync(i % 2 == 0 ? "t" : "*"));
            }

            await PublishAsync("t", "m");
            foreach (var subscription in subscriptions)
            {
                Assert.Equal(["m"], await ReadAsync(subscription, 1));
                await Soon(subscription.DisposeAsync());
            }
        }
    }

    private string Topic(string name) => _root + name;

    private async Task<ChannelMessageId> PublishAsync(string topic, string text) =>
        await Soon(Channels.PublishAsync(Topic(topic), new Envelope(Encoding.UTF8.GetBytes(text)), Cancellation));

    private async Task<IChannelSubscription> SubscribeAsync(string pattern, SubscriptionOptions? options = null)
    {
        var subscription = await Soon(Channels.SubscribeAsync(TopicPattern.Parse(_root + pattern), options ?? SubscriptionOptions.Default, Cancellation));
        _subscriptions.Add(subscription);
        return subscription;
    }

    private static async Task<List<ChannelMessage>> ReadMessagesAsync(IChannelSubscription subscription, int count)
    {
        var messages = new List<ChannelMessage>();
        var into = new ChannelMessage[7];
        while (messages.Count < count)
        {
            var read = await Soon(subscription.ReadAsync(into.AsMemory(0, Math.Min(into.Length, count - messages.Count)), Cancellation));
            Assert.True(read > 0, $"The subscription has ended after {messages.Count} of {count} messages.");
            messages.AddRange(into[..read]);
        }

        return messages;
    }

    private static async Task<string[]> ReadAsync(IChannelSubscription subscription, int count) =>
        [.. (await ReadMessagesAsync(subscription, count)).Select(message => message.IsGap ? "gap" : Encoding.UTF8.GetString(message.Body.Span))];

    private static async Task AssertNothingAsync(IChannelSubscription subscription)
    {
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var reading = subscription.ReadAsync(new ChannelMessage[1], cancellation.Token).AsTask();
        await StillWaits(reading);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Soon(reading));
    }
}
