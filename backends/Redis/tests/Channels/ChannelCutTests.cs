using System.Globalization;
using System.Text;
using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Channels;

/// <summary>Subscriptions when their connection is cut (laws C1, C4), and how many the server sees.</summary>
public sealed class ChannelCutTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Subscription_AfterCuts_GetsEverythingInOrder()
    {
        const int Messages = 400;
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync(server);
        await using var literal = await SubscribeAsync(backend, "t");
        await using var glob = await SubscribeAsync(backend, "[st]");
        var cutting = Task.Run(
            async () =>
            {
                for (var i = 0; i < 8; i++)
                {
                    await server.ExecuteAsync(["CLIENT", "KILL", "TYPE", "pubsub"], Cancellation);
                }
            },
            Cancellation);
        for (var i = 0; i < Messages; i++)
        {
            await PublishAsync(backend, "t", i.ToString(CultureInfo.InvariantCulture));
        }

        await cutting;
        await PublishAsync(backend, "t", "end");
        var expected = Enumerable.Range(0, Messages).Select(i => i.ToString(CultureInfo.InvariantCulture)).Append("end").ToArray();
        Assert.Equal(expected, await ReadToEndAsync(literal));
        Assert.Equal(expected, await ReadToEndAsync(glob));
    }

    [Fact]
    public async Task Subscription_WhenTheServerHasLostTheHistory_GetsAGapMarker()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync(server);
        await using var subscription = await SubscribeAsync(backend, "t");
        await PublishAsync(backend, "t", "before");
        var before = (await ReadAsync(subscription))[0];
        await server.RestartAsync(Cancellation);
        await PublishAsync(backend, "t", "after");
        await PublishAsync(backend, "t", "end");
        var texts = await ReadToEndAsync(subscription);
        Assert.Equal("gap", texts[0]);

        // Whoever resumes after what is no longer known learns it too.
        await using var resumed = await SubscribeAsync(backend, "t", new SubscriptionOptions { ResumeAfter = before.Id });
        Assert.Equal(["gap", "after", "end"], await ReadToEndAsync(resumed));
    }

    [Fact]
    public async Task Subscription_WithoutAHistory_GetsAGapMarkerForWhatItMissed()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync(server, "history=0");
        await using var subscription = await SubscribeAsync(backend, "t");
        await PublishAsync(backend, "t", "before");
        await ReadAsync(subscription);

        // Until one of them was missed: the cut and the new subscription race with the publishes.
        var missed = false;
        for (var round = 0; round < 50 && !missed; round++)
        {
            await server.ExecuteAsync(["CLIENT", "KILL", "TYPE", "pubsub"], Cancellation);
            var sent = $"sent {round}";
            await PublishAsync(backend, "t", sent);
            await PublishAsync(backend, "t", "end");
            var texts = await ReadToEndOrGapAsync(subscription);
            missed = texts.Contains("gap");
            Assert.True(missed || texts.SequenceEqual([sent, "end"]), $"A message was missed without a marker: {string.Join(' ', texts)}");
        }

        Assert.True(missed);
    }

    [Fact]
    public async Task Subscriptions_ToOnePattern_AreOneOfTheServers()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync(server);
        var subscriptions = new List<IChannelSubscription>();
        for (var i = 0; i < 200; i++)
        {
            subscriptions.Add(await SubscribeAsync(backend, i % 2 == 0 ? "t" : "*"));
        }

        Assert.Equal("1", await server.ExecuteAsync(["PUBSUB", "NUMPAT"], Cancellation));
        Assert.EndsWith("1", await server.ExecuteAsync(["PUBSUB", "NUMSUB", "millrace:channel:0:t"], Cancellation), StringComparison.Ordinal);
        Assert.Equal(2, (await server.ExecuteAsync(["CLIENT", "LIST"], Cancellation)).Split('\n').Count(line => line.Contains("name=millrace", StringComparison.Ordinal)));
        foreach (var subscription in subscriptions)
        {
            await subscription.DisposeAsync();
        }

        // Who leaves does not wait for the server.
        await Eventually.HoldsAsync(async () => await server.ExecuteAsync(["PUBSUB", "NUMPAT"], Cancellation) == "0");
        await Eventually.HoldsAsync(async () => await server.ExecuteAsync(["PUBSUB", "CHANNELS"], Cancellation) == "");
    }

    [Fact]
    public async Task Channels_OfTwoDatabases_DoNotMix()
    {
        var server = await RedisFixture.Server;
        await using var first = await OpenAsync(server, "prefix=two");
        await using var second = await RedisBackend.OpenAsync(BackendUrl.Parse($"redis://{server.EndPoint}/2?prefix=two"), new BackendContext(), Cancellation);
        await using var subscription = await SubscribeAsync(first, "t");
        await PublishAsync(second, "t", "second");
        await PublishAsync(first, "t", "end");
        Assert.Equal(["end"], await ReadToEndAsync(subscription));
    }

    [Fact]
    public async Task History_Expires_AndIdsDoNotGoBack()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync(server, "historyTtlMs=100000");
        var (channels, all) = (backend.Channels!, TopicPattern.Parse("*"));
        var first = await channels.PublishAsync("t", new Envelope(new byte[10]), Cancellation);
        await server.ExecuteAsync(["PEXPIRE", "{millrace:channel}:messages", "5000"], Cancellation);
        var last = await channels.PublishAsync("t", new Envelope(new byte[10]), Cancellation);
        Assert.InRange(long.Parse(await server.ExecuteAsync(["PTTL", "{millrace:channel}:messages"], Cancellation), CultureInfo.InvariantCulture), 5001, 100_000);

        // Time passes for all of it; the clock of the server that goes on is behind.
        var ahead = new ChannelMessageId(last.Major + 3_600_000, 7);
        await server.ExecuteAsync(["DEL", "{millrace:channel}:messages"], Cancellation);
        await server.ExecuteAsync(["HSET", "{millrace:channel}:history", "last", ahead.ToString()], Cancellation);
        Assert.Empty(await channels.GetHistoryAsync(all, cancellationToken: Cancellation));
        Assert.True(Assert.Single(await channels.GetHistoryAsync(all, first, cancellationToken: Cancellation)).IsGap);
        Assert.Empty(await channels.GetHistoryAsync(all, ahead, cancellationToken: Cancellation));
        var next = await channels.PublishAsync("t", new Envelope(new byte[10]), Cancellation);
        Assert.True(next > ahead);
        Assert.True(await channels.PublishAsync("t", new Envelope(new byte[10]), Cancellation) > next);
        Assert.Equal(2, (await channels.GetHistoryAsync(all, ahead, cancellationToken: Cancellation)).Count);
        Assert.Equal(3, (await channels.GetHistoryAsync(all, last, cancellationToken: Cancellation)).Count);
        Assert.Equal("20", await server.ExecuteAsync(["HGET", "{millrace:channel}:history", "bytes"], Cancellation));
    }

    [Fact]
    public async Task History_IsGone_WhenItsTimeIsOver()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await server.ExecuteAsync(["CONFIG", "SET", "notify-keyspace-events", "Kx"], Cancellation);
        await using var backend = await OpenAsync(server, "historyTtlMs=300");
        await using var hand = await Client.RedisClients.OpenAsync($"redis://{server.EndPoint}", Cancellation);
        var listener = new Client.RecordingListener();
        await using var expiries = await hand.SubscribeAsync(Redis.Client.RedisSubscriptionKind.Channel, "__keyspace@0__:{millrace:channel}:messages", listener, Cancellation);
        await backend.Channels!.PublishAsync("t", new Envelope(new byte[100_000]), Cancellation);
        Assert.EndsWith("expired", await listener.NextAsync(Cancellation), StringComparison.Ordinal);
        Assert.Equal("0", await server.ExecuteAsync(["EXISTS", "{millrace:channel}:messages"], Cancellation));
    }

    private static ValueTask<Backend> OpenAsync(LocalRedis server, string options = "") =>
        RedisBackend.OpenAsync(BackendUrl.Parse($"redis://{server.EndPoint}?{options}"), new BackendContext(), Cancellation);

    private static async Task<IChannelSubscription> SubscribeAsync(Backend backend, string pattern, SubscriptionOptions? options = null) =>
        await backend.Channels!.SubscribeAsync(TopicPattern.Parse(pattern), options ?? SubscriptionOptions.Default, Cancellation);

    // A publish that was cut is told of as such; a channel's message is not worth an identity, so it is sent again until it was heard of.
    private static async Task PublishAsync(Backend backend, string topic, string text)
    {
        while (true)
        {
            try
            {
                await backend.Channels!.PublishAsync(topic, new Envelope(Encoding.UTF8.GetBytes(text)), Cancellation);
                return;
            }
            catch (BackendUnavailableException fault) when (!fault.MayHaveBeenApplied)
            {
                // Again.
            }
        }
    }

    private static async Task<ChannelMessage[]> ReadAsync(IChannelSubscription subscription)
    {
        var into = new ChannelMessage[100];
        var count = await subscription.ReadAsync(into, Cancellation).AsTask().WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, Cancellation);
        return into[..count];
    }

    private static Task<List<string>> ReadToEndAsync(IChannelSubscription subscription) => ReadAsync(subscription, text => text == "end");

    private static Task<List<string>> ReadToEndOrGapAsync(IChannelSubscription subscription) => ReadAsync(subscription, text => text is "end" or "gap");

    private static async Task<List<string>> ReadAsync(IChannelSubscription subscription, Func<string, bool> isLast)
    {
        var texts = new List<string>();
        do
        {
            texts.AddRange((await ReadAsync(subscription)).Select(message => message.IsGap ? "gap" : Encoding.UTF8.GetString(message.Body.Span)));
        }
        while (!isLast(texts[^1]));

        return texts;
    }
}
