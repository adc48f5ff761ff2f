using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>Live topics: everybody who is subscribed gets everything, and nothing is kept.</summary>
public sealed class TopicTests
{
    [Theory]
    [MemberData(nameof(Matrix.StoresAndVersions), MemberType = typeof(Matrix))]
    public async Task EverySubscriber_GetsEveryMessage_InOrder(string store, string version)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var sender = await broker.ConnectAsync("1.2");
        var clients = new List<WireClient>();
        for (var i = 0; i < 5; i++)
        {
            clients.Add(await broker.ConnectAsync(version));
            await clients[i].ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/prices");
        }

        await sender.SendBytesAsync((byte[])[.. Enumerable.Range(0, 200).SelectMany(i => WireClient.Frame("SEND", $"{i}", "destination:/topic/prices", "x:1", "content-type:text/plain"))]);

        foreach (var client in clients)
        {
            var messages = await client.MessagesAsync(200);
            Assert.Equal(Enumerable.Range(0, 200).Select(i => $"{i}"), messages.Select(message => message.Text));
            Assert.All(messages, message => Assert.Equal(("/topic/prices", "s", "1", "text/plain"), (message["destination"], message["subscription"], message["x"], message["content-type"])));
            Assert.Equal(200, messages.Select(message => message["message-id"]).Distinct().Count());
            await client.DisposeAsync();
        }
    }

    [Fact]
    public async Task WhatWasSentBefore_IsNotKept()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmMessageAsync("/topic/t", "before");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/t");
        await client.ConfirmMessageAsync("/topic/t", "after");

        Assert.Equal("after", (await client.MessageAsync()).Text);
    }

    [Theory]
    [InlineData("/topic/orders.*", true)]
    [InlineData("/topic/*", true)]
    [InlineData("/topic/orders.e?", true)]
    [InlineData("/topic/orders.[en][uv]", true)]
    [InlineData("/topic/orders.[!e]u", false)]
    [InlineData("/topic/orders", false)]
    public async Task Patterns_MatchTopics_AndMessagesSayTheirOwn(string pattern, bool matches)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:p", $"destination:{pattern}");
        await client.ConfirmAsync("SUBSCRIBE", "id:witness", "destination:/topic/orders.eu");

        await client.SendMessageAsync("/topic/orders.eu", "x");

        var first = await client.MessageAsync();
        var messages = matches ? [first, await client.MessageAsync()] : new[] { first };
        await client.FenceAsync();
        Assert.Empty(client.KeptMessages);
        Assert.Equal(matches ? ["p", "witness"] : ["witness"], messages.Select(message => message["subscription"]).Order());
        Assert.All(messages, message => Assert.Equal("/topic/orders.eu", message["destination"]));
    }

    [Fact]
    public async Task Send_ToAPattern_IsATopicOfThatName()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/a");
        await client.ConfirmAsync("SUBSCRIBE", "id:all", "destination:/topic/*");

        await client.ConfirmMessageAsync("/topic/*", "x");

        Assert.Equal(("all", "/topic/*"), (await client.MessageAsync()) is var message ? (message["subscription"], message["destination"]) : default);
    }

    [Fact]
    public async Task Unsubscribe_NothingComesAfterItsReceipt()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/t");
        await client.ConfirmMessageAsync("/topic/t", "one");
        Assert.Equal("one", (await client.MessageAsync()).Text);

        await client.ConfirmAsync("UNSUBSCRIBE", "id:s");
        await client.ConfirmMessageAsync("/topic/t", "two");
        await client.FenceAsync();

        Assert.Empty(client.KeptMessages);
    }

    [Theory]
    [InlineData(SlowTopicSubscriber.DropOldest)]
    [InlineData(SlowTopicSubscriber.DropNewest)]
    public async Task SlowSubscriber_LosesMessages_WhichAreCounted_AndOthersLoseNone(SlowTopicSubscriber policy)
    {
        const int Count = 200;
        var options = new StompOptions { SlowTopicSubscriber = policy, TopicBufferMessages = 8 };
        await using var broker = await RunningBroker.StartAsync(setup: new() { Options = options });
        await using var sender = await broker.ConnectAsync("1.2");
        await using var fast = await broker.ConnectAsync("1.2");
        await using var slow = await broker.ConnectSlowAsync("1.2");
        await fast.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/t");
        await slow.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/t");

        var body = new byte[100_000];
        for (var i = 0; i < Count; i++)
        {
            // One at a time with those who read, so that they are never slow.
            await sender.SendBytesAsync(WireClient.Frame("SEND", body, "destination:/topic/t", $"content-length:{body.Length}", $"n:{i}"));
            Assert.Equal($"{i}", (await fast.MessageAsync())["n"]);
        }

        var dropped = Assert.Single(broker.Describe(slow).Subscriptions).Dropped;
        Assert.InRange(dropped, 1, Count - 8);
        await sender.ConfirmMessageAsync("/topic/t", "", "n:end");
        var left = new List<int>();
        for (var next = await slow.MessageAsync(); next["n"] != "end" && left.Count < Count - dropped - 1; next = await slow.MessageAsync())
        {
            left.Add(int.Parse(next["n"]!, System.Globalization.CultureInfo.InvariantCulture));
        }

        Assert.Equal(left.Order(), left);
        Assert.Equal(0, left[0]);
        Assert.Equal(policy == SlowTopicSubscriber.DropOldest, left.Contains(Count - 1));
        Assert.Equal(0, Assert.Single(broker.Describe(fast).Subscriptions).Dropped);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task SlowSubscriber_OverTheLimit_IsDisconnected(bool byPolicy)
    {
        var options = byPolicy
            ? new StompOptions { SlowTopicSubscriber = SlowTopicSubscriber.Disconnect, TopicBufferMessages = 8 }
            : new StompOptions { MaxTopicDrops = 20, TopicBufferMessages = 8 };
        await using var broker = await RunningBroker.StartAsync(setup: new() { Options = options });
        await using var sender = await broker.ConnectAsync("1.2");
        await using var slow = await broker.ConnectSlowAsync("1.2");
        await slow.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/t");
        var body = new byte[100_000];
        for (var i = 0; i < 200; i++)
        {
            await sender.SendBytesAsync(WireClient.Frame("SEND", body, "destination:/topic/t", $"content-length:{body.Length}"));
        }

        await sender.FenceAsync();

        // It reads again only now, and must learn why it has lost messages.
        Assert.Equal("slow consumer", (await slow.ErrorAsync())["message"]);
        Assert.True(byPolicy || broker.Broker.Counters.TopicMessagesDropped >= 20);
    }

    [Fact]
    public async Task SlowSubscriber_OfLargeMessages_IsBoundedInBytes()
    {
        const int Count = 60;
        var options = new StompOptions { TopicBufferBytes = 3 * 1024 * 1024 };
        await using var broker = await RunningBroker.StartAsync(setup: new() { Options = options });
        await using var sender = await broker.ConnectAsync("1.2");
        await using var slow = await broker.ConnectSlowAsync("1.2");
        await slow.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/t");
        var body = new byte[1024 * 1024];
        for (var i = 0; i < Count; i++)
        {
            await sender.SendBytesAsync(WireClient.Frame("SEND", body, "destination:/topic/t", $"content-length:{body.Length}", "receipt:r"));
            await sender.ReceiptAsync("r");
        }

        // What waits is 4 MiB in the broker's outbox, a message more than that, what one read takes from the buffer, and the buffer.
        var info = broker.Describe(slow);
        Assert.InRange(Count - info.MessagesDelivered - Assert.Single(info.Subscriptions).Dropped, 1, 12);
    }

    [Fact]
    public async Task SlowSubscriber_OfMessagesWithoutBodies_TakesBoundedMemory()
    {
        const int Count = 120_000;
        var options = new StompOptions { MaxTopicDrops = null };
        await using var broker = await RunningBroker.StartAsync(setup: new() { Options = options });
        await using var sender = await broker.ConnectAsync("1.2");
        await using var slow = await broker.ConnectSlowAsync("1.2");
        await slow.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/t");
        byte[] piece = [.. Enumerable.Range(0, 1000).SelectMany(_ => WireClient.Frame("SEND", "", "destination:/topic/t", "x:" + new string('x', 100)))];
        for (var i = 0; i < Count / 1000; i++)
        {
            await sender.SendBytesAsync(piece);
            await sender.FenceAsync();
        }

        var info = broker.Describe(slow);
        Assert.InRange(Count - info.MessagesDelivered - Assert.Single(info.Subscriptions).Dropped, 0, 45_000);
    }
}
