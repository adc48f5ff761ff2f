using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>SUBSCRIBE and UNSUBSCRIBE.</summary>
public sealed class SubscribingTests
{
    [Fact]
    public async Task In10_NoIdIsNeeded_AndUnsubscribeNamesTheDestination()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.0");
        await client.ConfirmAsync("SUBSCRIBE", "destination:/queue/a");
        await client.ConfirmMessageAsync("/queue/a", "one");
        var message = await client.MessageAsync();
        Assert.Null(message["subscription"]);
        Assert.Equal("/queue/a", message["destination"]);

        await client.ConfirmAsync("UNSUBSCRIBE", "destination:/queue/a");

        Assert.Empty(broker.Describe(client).Subscriptions);
        await client.ConfirmAsync("SUBSCRIBE", "destination:/queue/a");
    }

    [Fact]
    public async Task In10_WithAnId_UnsubscribeNamesEither()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.0");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");
        await client.ConfirmAsync("UNSUBSCRIBE", "destination:/queue/a");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");
        await client.ConfirmAsync("UNSUBSCRIBE", "id:s", "destination:/queue/a");

        Assert.Empty(broker.Describe(client).Subscriptions);
    }

    [Theory]
    [InlineData("1.0", "SUBSCRIBE", "id:s")]
    [InlineData("1.1", "SUBSCRIBE", "id:s")]
    [InlineData("1.1", "SUBSCRIBE", "destination:/queue/a")]
    [InlineData("1.2", "SUBSCRIBE", "destination:/queue/a")]
    [InlineData("1.0", "UNSUBSCRIBE", "x:1")]
    [InlineData("1.1", "UNSUBSCRIBE", "destination:/queue/a")]
    [InlineData("1.2", "UNSUBSCRIBE", "destination:/queue/a")]
    public async Task WithoutWhatTheVersionAsksFor_IsAnError(string version, string command, string header)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync(version);

        await client.SendAsync(command, header, "receipt:r");

        var error = await client.ErrorAsync();
        Assert.Equal(("malformed frame", "r"), (error["message"], error["receipt-id"]));
    }

    [Theory]
    [MemberData(nameof(Matrix.Versions), MemberType = typeof(Matrix))]
    public async Task Subscribe_WithAnIdThatIsTaken_IsAnError(string version)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");

        await client.SendAsync("SUBSCRIBE", "id:s", "destination:/queue/b", "receipt:r");

        var error = await client.ErrorAsync();
        Assert.Equal(("subscription exists", "r"), (error["message"], error["receipt-id"]));
    }

    [Fact]
    public async Task Subscribe_In10_ToADestinationTwiceWithoutIds_IsAnError()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.0");
        await client.ConfirmAsync("SUBSCRIBE", "destination:/queue/a");

        await client.SendAsync("SUBSCRIBE", "destination:/queue/a");

        Assert.Equal("subscription exists", (await client.ErrorAsync())["message"]);
    }

    [Theory]
    [MemberData(nameof(Matrix.Versions), MemberType = typeof(Matrix))]
    public async Task Unsubscribe_OfNone_IsAnError(string version)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync(version);

        await client.SendAsync("UNSUBSCRIBE", "id:s", "receipt:r");

        var error = await client.ErrorAsync();
        Assert.Equal(("no such subscription", "r"), (error["message"], error["receipt-id"]));
    }

    [Fact]
    public async Task Subscribe_TwiceToOneDestination_EachMessageGoesToOne()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", @"id:a\cb", "destination:/queue/a", "prefetch-count:5", "ack:client");
        await client.ConfirmAsync("SUBSCRIBE", "id:2", "destination:/queue/a", "prefetch-count:5", "ack:client");
        for (var i = 0; i < 10; i++)
        {
            await client.ConfirmMessageAsync("/queue/a", $"{i}");
        }

        var messages = await client.MessagesAsync(10);
        Assert.Equal(Enumerable.Range(0, 10).Select(i => $"{i}"), messages.Select(message => message.Text).Order());
        Assert.Equal(5, messages.Count(message => message["subscription"] == "a:b"));
        Assert.Equal(5, messages.Count(message => message["subscription"] == "2"));
    }

    [Theory]
    [InlineData("destination:/nowhere/a", "invalid destination")]
    [InlineData("destination:/reply-queue/a", "invalid destination")]
    [InlineData("destination:/stream/", "invalid destination")]
    [InlineData("destination:/queue/", "invalid destination")]
    [InlineData("destination:/queue/a!dead", "invalid destination")]
    [InlineData("destination:/queue/a\nack:maybe", "malformed frame")]
    [InlineData("destination:/queue/a\nprefetch-count:many", "malformed frame")]
    [InlineData("destination:/queue/a\nselector:a = 1", "not supported")]
    public async Task Subscribe_ToWhatCannotBe_IsAnError(string headers, string message)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");

        await client.SendAsync("SUBSCRIBE", "id:s", headers, "receipt:r");

        var error = await client.ErrorAsync();
        Assert.Equal((message, "r"), (error["message"], error["receipt-id"]));
    }

    [Theory]
    [InlineData("prefetch-count:7", 7)]
    [InlineData("activemq.prefetchSize:7", 7)]
    [InlineData("x-nothing:1", 200)]
    [InlineData("prefetch-count:0", 50_000)]
    [InlineData("prefetch-count:1000000", 50_000)]
    public async Task Prefetch_IsWhatTheSubscriptionSays_OrTheDefault(string header, int prefetch)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client", header);

        var subscription = Assert.Single(broker.Describe(client).Subscriptions);
        Assert.Equal(("s", "/queue/a", "client", prefetch), (subscription.Id, subscription.Destination, subscription.Acknowledge, subscription.Prefetch));
    }

    [Theory]
    [MemberData(nameof(Matrix.Stores), MemberType = typeof(Matrix))]
    public async Task Prefetch_NoMoreThanThatIsUnacknowledged(string store)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync("1.2");
        for (var i = 0; i < 10; i++)
        {
            await client.ConfirmMessageAsync("/queue/a", $"{i}");
        }

        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client-individual", "prefetch-count:3");
        var messages = await client.MessagesAsync(3);
        await client.FenceAsync();
        Assert.Empty(client.KeptMessages);
        Assert.Equal(7, (await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken)).Ready);

        await client.ConfirmAsync("ACK", $"id:{messages[1]["ack"]}");

        Assert.Equal("3", (await client.MessageAsync()).Text);
        await client.FenceAsync();
        Assert.Empty(client.KeptMessages);
    }

    [Fact]
    public async Task Subscriptions_MoreThanTheLimit_IsAnError()
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { Options = new() { MaxSubscriptions = 2 } });
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:1", "destination:/queue/a");
        await client.ConfirmAsync("SUBSCRIBE", "id:2", "destination:/topic/t");
        await client.ConfirmAsync("UNSUBSCRIBE", "id:1");
        await client.ConfirmAsync("SUBSCRIBE", "id:3", "destination:/queue/a");

        await client.SendAsync("SUBSCRIBE", "id:4", "destination:/queue/a");

        Assert.Equal("too many subscriptions", (await client.ErrorAsync())["message"]);
    }

    [Fact]
    public async Task Subscriptions_ToTopics_AreBoundedByTheirOwnLimitOnly()
    {
        const int Count = 400;
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        for (var i = 0; i < Count; i++)
        {
            await client.SendAsync("SUBSCRIBE", $"id:{i}", $"destination:/topic/t{i}");
        }

        await client.FenceAsync();

        Assert.Equal(Count, broker.Describe(client).Subscriptions.Count);
        Assert.All(broker.Describe(client).Subscriptions, subscription => Assert.Equal(0, subscription.Prefetch));
    }

    [Fact]
    public async Task Unacknowledged_MoreThanTheLimit_TheSubscriptionIsRefused()
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { Options = new() { MaxUnacknowledged = 10, Prefetch = 5 } });
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client");
        await client.ConfirmAsync("SUBSCRIBE", "id:2", "destination:/queue/a", "ack:client", "prefetch-count:0");
        Assert.Equal([5, 5], broker.Describe(client).Subscriptions.Select(subscription => subscription.Prefetch));
        await client.ConfirmAsync("UNSUBSCRIBE", "id:1");
        await client.ConfirmAsync("SUBSCRIBE", "id:3", "destination:/queue/a", "ack:client");

        await client.SendAsync("SUBSCRIBE", "id:4", "destination:/queue/b", "ack:client");

        Assert.Equal("too many unacknowledged messages", (await client.ErrorAsync())["message"]);
    }

    [Fact]
    public async Task Subscribe_ToAQueueThatDoesNotExist_WhereNoneIsCreated_IsAnError_AndIsNotCounted()
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { StoreOptions = "?autocreate=false" });
        await using var client = await broker.ConnectAsync("1.2");

        await client.SendAsync("SUBSCRIBE", "id:s", "destination:/queue/nowhere", "receipt:r");

        var error = await client.ErrorAsync();
        Assert.Equal(("no such queue", "r"), (error["message"], error["receipt-id"]));
        await broker.UntilConnectionsAsync(0);
        Assert.All(broker.Broker.Resources.Destinations.All, counters => Assert.Equal(0, counters.Subscriptions));
    }

    [Fact]
    public async Task QueueIsDeleted_ItsSubscriberIsTold()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client");
        await client.ConfirmMessageAsync("/queue/a", "one");
        await client.MessageAsync();

        await broker.Admin.DeleteQueueAsync("a", TestContext.Current.CancellationToken);
        await using var other = await broker.ConnectAsync("1.2");
        await other.ConfirmMessageAsync("/queue/a", "two");

        // It is told that the queue is gone, or gets what comes to one of the same name: it never waits for nothing.
        var next = await client.NextAsync();
        Assert.True(next.Command == "ERROR" ? next["message"] == "no such queue" : next.Text == "two", next.ToString());
    }
}
