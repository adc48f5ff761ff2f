using Millrace.Storage;
using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>BEGIN, COMMIT and ABORT.</summary>
public sealed class TransactionTests
{
    [Theory]
    [MemberData(nameof(Matrix.StoresAndVersions), MemberType = typeof(Matrix))]
    public async Task Commit_SendsAll_InOrder_AndReceiptsComeWithIt(string store, string version)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");
        await client.SendAsync("BEGIN", "transaction:t", "receipt:begin");
        await client.SendMessageAsync("/queue/a", "one", "transaction:t", "receipt:1");
        await client.SendMessageAsync("/queue/b", "elsewhere", "transaction:t");
        await client.SendMessageAsync("/queue/a", "two", "transaction:t", "receipt:2");
        await client.ConfirmMessageAsync("/queue/a", "outside");

        Assert.Equal("outside", (await client.MessageAsync()).Text);
        Assert.Equal("begin", (await client.NextAsync())["receipt-id"]);
        await client.SendAsync("COMMIT", "transaction:t", "receipt:commit");

        Assert.Equal(["one", "two"], await client.TextsAsync(2));
        Assert.Equal("1", (await client.NextAsync())["receipt-id"]);
        Assert.Equal("2", (await client.NextAsync())["receipt-id"]);
        Assert.Equal("commit", (await client.NextAsync())["receipt-id"]);
        Assert.Equal(1, (await broker.Admin.GetStatsAsync("b", TestContext.Current.CancellationToken)).Ready);
    }

    [Theory]
    [MemberData(nameof(Matrix.StoresAndVersions), MemberType = typeof(Matrix))]
    public async Task Abort_SendsNothing_AndAcksAreOpenAgain(string store, string version)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client-individual");
        await client.ConfirmMessageAsync("/queue/a", "one");
        var message = await client.MessageAsync();
        await client.SendAsync("BEGIN", "transaction:t");
        await client.SendAsync("ACK", [.. AcknowledgingTests.NamesOf(client, message), "transaction:t"]);
        await client.SendMessageAsync("/queue/b", "never", "transaction:t");

        await client.ConfirmAsync("ABORT", "transaction:t");

        Assert.Equal(1, broker.Describe(client).Subscriptions[0].Unacknowledged);
        await client.ConfirmAsync("ACK", AcknowledgingTests.NamesOf(client, message));
        await client.ConfirmAsync("SUBSCRIBE", "id:b", "destination:/queue/b");
        await client.ConfirmMessageAsync("/queue/b", "first");
        Assert.Equal("first", (await client.MessageAsync()).Text);
    }

    [Theory]
    [MemberData(nameof(Matrix.StoresAndVersions), MemberType = typeof(Matrix))]
    public async Task Commit_AcksAndSendsTogether(string store, string version)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client-individual", "prefetch-count:1");
        await client.ConfirmMessageAsync("/queue/a", "in");
        await client.ConfirmMessageAsync("/queue/a", "next");
        var message = await client.MessageAsync();
        await client.SendAsync("BEGIN", "transaction:t");
        await client.SendAsync("ACK", [.. AcknowledgingTests.NamesOf(client, message), "transaction:t"]);
        await client.SendMessageAsync("/queue/out", "out", "transaction:t");
        await client.FenceAsync();
        Assert.Empty(client.KeptMessages);

        await client.ConfirmAsync("COMMIT", "transaction:t");

        // Its credit came back with the commit.
        Assert.Equal("next", (await client.MessageAsync()).Text);
        await client.ConfirmAsync("UNSUBSCRIBE", "id:s");
        Assert.Equal(1, (await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken)).Ready);
        Assert.Equal(1, (await broker.Admin.GetStatsAsync("out", TestContext.Current.CancellationToken)).Ready);
        Assert.Equal(1, broker.Broker.Counters.MessagesAcknowledged);
    }

    [Theory]
    [MemberData(nameof(Matrix.Stores), MemberType = typeof(Matrix))]
    public async Task Commit_OfACumulativeAck_IsForAllBefore(string store)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client");
        for (var i = 0; i < 5; i++)
        {
            await client.ConfirmMessageAsync("/queue/a", $"{i}");
        }

        var messages = await client.MessagesAsync(5);
        await client.SendAsync("BEGIN", "transaction:t");
        await client.SendAsync("ACK", $"id:{messages[1]["ack"]}", "transaction:t");
        await client.SendAsync("ACK", $"id:{messages[3]["ack"]}", "transaction:t");
        await client.ConfirmAsync("COMMIT", "transaction:t");

        await client.ConfirmAsync("UNSUBSCRIBE", "id:s");
        await client.ConfirmAsync("SUBSCRIBE", "id:t", "destination:/queue/a");
        Assert.Equal("4", (await client.MessageAsync()).Text);
        Assert.Equal(4, broker.Broker.Counters.MessagesAcknowledged);
    }

    [Theory]
    [MemberData(nameof(Matrix.Stores), MemberType = typeof(Matrix))]
    public async Task Commit_OfANack_MakesItReadyAgain(string store)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client-individual");
        await client.ConfirmMessageAsync("/queue/a", "one");
        await client.SendAsync("BEGIN", "transaction:t");
        await client.SendAsync("NACK", $"id:{(await client.MessageAsync())["ack"]}", "transaction:t");
        await client.FenceAsync();
        Assert.Empty(client.KeptMessages);

        await client.SendAsync("COMMIT", "transaction:t");

        Assert.Equal("true", (await client.MessageAsync())["redelivered"]);
    }

    [Theory]
    [InlineData("cut")]
    [InlineData("disconnect")]
    public async Task ConnectionEnds_ItsTransactionsVanish(string end)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var other = await broker.ConnectAsync("1.2");
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client");
        await client.ConfirmMessageAsync("/queue/a", "comes back");
        await client.SendAsync("BEGIN", "transaction:t");
        await client.SendAsync("ACK", $"id:{(await client.MessageAsync())["ack"]}", "transaction:t");
        await client.SendMessageAsync("/queue/a", "never", "transaction:t");
        await client.FenceAsync();
        Assert.True(broker.Broker.Resources.Budget.Used > 0);

        if (end == "cut")
        {
            client.Cut();
        }
        else
        {
            await client.ConfirmAsync("DISCONNECT");
        }

        await broker.UntilConnectionsAsync(1);
        Assert.Equal(0, broker.Broker.Resources.Budget.Used);
        await other.ConfirmAsync("SUBSCRIBE", "id:o", "destination:/queue/a");
        await other.ConfirmMessageAsync("/queue/a", "end");
        Assert.Equal(["comes back", "end"], await other.TextsAsync(2));
    }

    [Theory]
    [MemberData(nameof(Matrix.Stores), MemberType = typeof(Matrix))]
    public async Task Commit_TopicMessages_GoOutAfterIt(string store)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync("1.2", "client-id:c");
        await client.ConfirmAsync("SUBSCRIBE", "id:live", "destination:/topic/t");
        await client.ConfirmAsync("SUBSCRIBE", "id:kept", "destination:/topic/t", "durable:true");
        await client.SendAsync("BEGIN", "transaction:t");
        await client.SendMessageAsync("/topic/t", "news", "transaction:t");
        await client.FenceAsync();
        Assert.Empty(client.KeptMessages);

        await client.SendAsync("COMMIT", "transaction:t");

        var messages = await client.MessagesAsync(2);
        Assert.Equal(["kept", "live"], messages.Select(message => message["subscription"]).Order());
        Assert.All(messages, message => Assert.Equal(("news", "/topic/t"), (message.Text, message["destination"])));
    }

    [Fact]
    public async Task Begin_Twice_IsAnError_WithTheReceipt()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("BEGIN", "transaction:t");

        await client.SendAsync("BEGIN", "transaction:t", "receipt:again");

        var error = await client.ErrorAsync();
        Assert.Equal(("transaction exists", "again"), (error["message"], error["receipt-id"]));
    }

    [Theory]
    [InlineData("SEND", "destination:/queue/a")]
    [InlineData("COMMIT", "x:1")]
    [InlineData("ABORT", "x:1")]
    public async Task Transaction_ThatDoesNotExist_IsAnError(string command, string header)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.SendAsync("BEGIN", "transaction:t");
        await client.ConfirmAsync("COMMIT", "transaction:t");

        await client.SendAsync(command, header, "transaction:t");

        Assert.Equal("no such transaction", (await client.ErrorAsync())["message"]);
    }

    [Theory]
    [InlineData("BEGIN")]
    [InlineData("COMMIT")]
    [InlineData("ABORT")]
    public async Task Transaction_WithoutAName_IsAnError(string command)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");

        await client.SendAsync(command, "receipt:r");

        var error = await client.ErrorAsync();
        Assert.Equal(("malformed frame", "r"), (error["message"], error["receipt-id"]));
    }

    [Fact]
    public async Task Commit_OfALostMessage_IsAnError_AndNothingIsSent()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var other = await broker.ConnectAsync("1.2");
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client");
        await client.ConfirmMessageAsync("/queue/a", "one");
        await client.SendAsync("BEGIN", "transaction:t");
        await client.SendAsync("ACK", $"id:{(await client.MessageAsync())["ack"]}", "transaction:t");
        await client.SendMessageAsync("/queue/b", "never", "transaction:t");

        // The message goes back with its subscription.
        await client.SendAsync("UNSUBSCRIBE", "id:s");
        await client.SendAsync("COMMIT", "transaction:t", "receipt:c");

        var error = await client.ErrorAsync();
        Assert.Equal(("transaction failed", "c"), (error["message"], error["receipt-id"]));
        await other.ConfirmAsync("SUBSCRIBE", "id:a", "destination:/queue/a");
        await other.ConfirmAsync("SUBSCRIBE", "id:b", "destination:/queue/b");
        Assert.Equal("one", (await other.MessageAsync()).Text);
        await other.ConfirmMessageAsync("/queue/b", "end");
        Assert.Equal("end", (await other.MessageAsync()).Text);
    }

    [Fact]
    public async Task Begin_StoreWithoutTransactions_IsRefused()
    {
        var (broker, _) = await RunningBroker.StartPlainAsync();
        await using var running = broker;
        await using var client = await broker.ConnectAsync("1.2");

        await client.SendAsync("BEGIN", "transaction:t", "receipt:r");

        var error = await client.ErrorAsync();
        Assert.Equal(("not supported", "r"), (error["message"], error["receipt-id"]));
        Assert.Contains("transactions=ordered", error.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Commit_StoreWithoutTransactions_AndOrdered_SendsFirstAndSettlesAfter()
    {
        var (broker, _) = await RunningBroker.StartPlainAsync(new() { Options = new() { Transactions = StompTransactions.Ordered } });
        await using var running = broker;
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client");
        await client.ConfirmAsync("SUBSCRIBE", "id:out", "destination:/queue/out");
        await client.ConfirmMessageAsync("/queue/a", "in");
        await client.SendAsync("BEGIN", "transaction:t");
        await client.SendAsync("ACK", $"id:{(await client.MessageAsync())["ack"]}", "transaction:t");
        await client.SendMessageAsync("/queue/out", "out", "transaction:t");
        await client.ConfirmAsync("COMMIT", "transaction:t");

        Assert.Equal("out", (await client.MessageAsync()).Text);
        await client.ConfirmAsync("UNSUBSCRIBE", "id:s");
        var stats = await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken);
        Assert.Equal((0, 0, 1), (stats.Ready, stats.Leased, stats.Completed));
    }

    [Fact]
    public async Task Transactions_MoreThanTheLimit_IsAnError()
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { Options = new() { MaxTransactions = 2 } });
        await using var client = await broker.ConnectAsync("1.2");
        await client.SendAsync("BEGIN", "transaction:1");
        await client.SendAsync("BEGIN", "transaction:2");
        await client.SendAsync("ABORT", "transaction:1");
        await client.ConfirmAsync("BEGIN", "transaction:3");
        Assert.Equal(2, broker.Describe(client).Transactions);

        await client.SendAsync("BEGIN", "transaction:4");

        Assert.Equal("too many transactions", (await client.ErrorAsync())["message"]);
    }

    [Fact]
    public async Task Transaction_WithMoreFramesThanTheLimit_IsAnError()
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { Options = new() { MaxTransactionFrames = 3 } });
        await using var client = await broker.ConnectAsync("1.2");
        await client.SendAsync("BEGIN", "transaction:t");
        for (var i = 0; i < 3; i++)
        {
            await client.SendMessageAsync("/queue/a", "x", "transaction:t");
        }

        await client.FenceAsync();
        await client.SendMessageAsync("/queue/a", "x", "transaction:t", "receipt:r");

        var error = await client.ErrorAsync();
        Assert.Equal(("transaction too large", "r"), (error["message"], error["receipt-id"]));
    }

    [Fact]
    public async Task Transaction_OverTheMemoryBudget_IsAnError_AndGivesItBack()
    {
        var options = new StompOptions { MaxBodyBytes = 1024 * 1024, MemoryBudgetBytes = 2 * 1024 * 1024 };
        await using var broker = await RunningBroker.StartAsync(setup: new() { Options = options });
        await using var client = await broker.ConnectAsync("1.2");
        await client.SendAsync("BEGIN", "transaction:t");
        var body = new string('x', 100_000);
        for (var i = 0; i < 20; i++)
        {
            await client.SendMessageAsync("/queue/a", body, "transaction:t");
        }

        await client.SendMessageAsync("/queue/a", body, "transaction:t");

        Assert.Equal("out of memory budget", (await client.ErrorAsync())["message"]);
        await broker.UntilConnectionsAsync(0);
        Assert.Equal(0, broker.Broker.Resources.Budget.Used);
    }

    [Fact]
    public async Task Commit_QueueIsFull_IsAnError_AndNothingIsSent()
    {
        await using var broker = await RunningBroker.StartAsync();
        await broker.Admin.CreateQueueAsync("small", new QueueSettings { MaxLength = 1 }, TestContext.Current.CancellationToken);
        await using var client = await broker.ConnectAsync("1.2");
        await client.SendAsync("BEGIN", "transaction:t");
        await client.SendMessageAsync("/queue/a", "x", "transaction:t", "receipt:1");
        await client.SendMessageAsync("/queue/small", "x", "transaction:t");
        await client.SendMessageAsync("/queue/small", "x", "transaction:t");
        await client.SendAsync("COMMIT", "transaction:t", "receipt:c");

        var error = await client.ErrorAsync();
        Assert.Equal(("queue full", "c"), (error["message"], error["receipt-id"]));
        Assert.Equal(0, (await broker.Admin.GetStatsAsync("small", TestContext.Current.CancellationToken)).Ready);
    }
}
