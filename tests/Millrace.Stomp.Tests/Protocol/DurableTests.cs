using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>Durable topic subscriptions: kept while nobody is there.</summary>
public sealed class DurableTests
{
    [Theory]
    [MemberData(nameof(Matrix.StoresAndVersions), MemberType = typeof(Matrix))]
    public async Task OfAClient_GathersWhileItIsAway(string store, string version)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var sender = await broker.ConnectAsync("1.2");
        await using (var client = await broker.ConnectAsync(version, "client-id:c"))
        {
            await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/orders.*", "durable:true", "ack:client-individual");
            await sender.ConfirmMessageAsync("/topic/orders.eu", "one", "x:1");
            await sender.ConfirmMessageAsync("/topic/orders.us", "two");
            var messages = await client.MessagesAsync(2);
            Assert.Equal(["/topic/orders.eu", "/topic/orders.us"], messages.Select(message => message["destination"]));
            Assert.Equal("1", messages[0]["x"]);
            Assert.Null(messages[0]["millrace-topic"]);
            await client.ConfirmAsync("ACK", AcknowledgingTests.NamesOf(client, messages[0]));
            await client.ConfirmAsync("DISCONNECT");
        }

        await sender.ConfirmMessageAsync("/topic/orders.de", "three");

        await using var again = await broker.ConnectAsync(version, "client-id:c");
        await again.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/orders.*", "durable:true");
        var rest = await again.MessagesAsync(2);
        Assert.Equal(["two", "three"], rest.Select(message => message.Text));
        Assert.Equal(["true", null], rest.Select(message => message["redelivered"]));
    }

    [Fact]
    public async Task OfAClient_IsItsOwn()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var sender = await broker.ConnectAsync("1.2");
        await using var one = await broker.ConnectAsync("1.2", "client-id:one");
        await using var two = await broker.ConnectAsync("1.2");
        await one.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/t", "durable:true");
        await two.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/t", "durable:true", "client-id:two");

        await sender.ConfirmMessageAsync("/topic/t", "x");

        Assert.Equal("x", (await one.MessageAsync()).Text);
        Assert.Equal("x", (await two.MessageAsync()).Text);
        Assert.Equal(["durable//one/s", "durable//two/s"], await broker.Admin.ListQueuesAsync("", null, 100, TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("id:s", "x:1")]
    [InlineData("id:s", "client-id:")]
    public async Task WithoutAClientId_IsAnError(string id, string header)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");

        await client.SendAsync("SUBSCRIBE", id, "destination:/topic/t", "durable:true", header);

        Assert.Equal("malformed frame", (await client.ErrorAsync())["message"]);
    }

    [Theory]
    [MemberData(nameof(Matrix.Stores), MemberType = typeof(Matrix))]
    public async Task OfAGroup_EachMessageGoesToOne_AndIsKept(string store)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var sender = await broker.ConnectAsync("1.2");
        await using (var one = await broker.ConnectAsync("1.2"))
        await using (var two = await broker.ConnectAsync("1.2"))
        {
            await one.ConfirmAsync("SUBSCRIBE", "id:1", "destination:/topic/t", "x-durable-group:billing", "ack:client");
            await two.ConfirmAsync("SUBSCRIBE", "id:2", "destination:/topic/t", "x-durable-group:billing", "ack:client");
            await sender.ConfirmMessageAsync("/topic/t", "a");
            await sender.ConfirmMessageAsync("/topic/t", "b");
            Assert.Equal(["a", "b"], new[] { (await one.MessageAsync()).Text, (await two.MessageAsync()).Text }.Order());
        }

        await broker.UntilConnectionsAsync(1);
        await sender.ConfirmMessageAsync("/topic/t", "c");

        await sender.ConfirmAsync("SUBSCRIBE", "id:3", "destination:/topic/t", "x-durable-group:billing");
        Assert.Equal(["a", "b", "c"], await sender.TextsAsync(3));
    }

    [Theory]
    [InlineData("memory", "durable:true")]
    [InlineData("memory", "x-durable-group:g")]
    [InlineData("sqlite", "durable:true")]
    public async Task Unsubscribe_WithDurable_DeletesIt_AndWithoutDoesNot(string store, string kind)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync("1.2", "client-id:c");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/t", kind);
        await client.ConfirmAsync("UNSUBSCRIBE", "id:s");
        await client.ConfirmMessageAsync("/topic/t", "kept");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/t", kind);
        Assert.Equal("kept", (await client.MessageAsync()).Text);

        await client.ConfirmAsync("UNSUBSCRIBE", "id:s", "durable:true");

        Assert.Empty(await broker.Admin.ListQueuesAsync("", null, 100, TestContext.Current.CancellationToken));
        await client.ConfirmMessageAsync("/topic/t", "gone");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/t", kind);
        await client.ConfirmMessageAsync("/topic/t", "new");
        Assert.Equal("new", (await client.MessageAsync()).Text);
    }

    [Fact]
    public async Task Unsubscribe_WithDurable_OfOneThatIsNotSubscribedNow_DeletesIt()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using (var before = await broker.ConnectAsync("1.2", "client-id:c"))
        {
            await before.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/t", "durable:true");
            await before.ConfirmAsync("DISCONNECT");
        }

        await using var client = await broker.ConnectAsync("1.2", "client-id:c");
        await client.ConfirmAsync("UNSUBSCRIBE", "id:s", "durable:true");

        Assert.Empty(await broker.Admin.ListQueuesAsync("", null, 100, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Subscribe_WithAnotherPattern_ReplacesTheOldOne()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2", "client-id:c");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/a", "durable:true");
        await client.ConfirmAsync("UNSUBSCRIBE", "id:s");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/b", "durable:true");

        await client.ConfirmMessageAsync("/topic/a", "in a");
        await client.ConfirmMessageAsync("/topic/b", "in b");

        Assert.Equal("in b", (await client.MessageAsync()).Text);
    }

    [Fact]
    public async Task NamesWithSlashes_AreNotMixedUp()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:b/c", "destination:/topic/t", "durable:true", "client-id:a");
        await client.ConfirmAsync("SUBSCRIBE", "id:c", "destination:/topic/t", "durable:true", "client-id:a/b");

        await client.ConfirmMessageAsync("/topic/t", "x");

        Assert.Equal(["b/c", "c"], (await client.MessagesAsync(2)).Select(message => message["subscription"]).Order());
    }
}
