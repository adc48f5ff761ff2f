using Millrace.Storage;
using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>What the broker tells of itself, and how it is closed: one connection, or all.</summary>
public sealed class AdministrationTests
{
    [Fact]
    public async Task Connections_AreDescribed()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.1", "client-id:c");
        await client.ConfirmAsync("SUBSCRIBE", "id:q", "destination:/queue/a", "ack:client", "prefetch-count:5");
        await client.ConfirmAsync("SUBSCRIBE", "id:t", "destination:/topic/t");
        await client.ConfirmMessageAsync("/queue/a", "x");
        await client.MessageAsync();
        await client.FenceAsync();

        var info = Assert.Single(broker.Broker.ListConnections());

        Assert.Equal((client.Id, client.LocalEndPoint.ToString(), "tcp", "1.1", "", "c"), (info.Id, info.Peer, info.Transport, info.Version, info.User, info.ClientId));
        Assert.Equal((8, 1, 1, 0, 0), (info.FramesReceived, info.MessagesSent, info.MessagesDelivered, info.PendingBytes, info.Transactions));
        Assert.Equal(
            [("q", "/queue/a", "client", 5, 1, 1), ("t", "/topic/t", "auto", 0, 0, 0)],
            info.Subscriptions.Select(one => (one.Id, one.Destination, one.Acknowledge, one.Prefetch, one.Unacknowledged, one.Delivered)));
        Assert.Null(broker.Broker.FindConnection("nobody"));
        Assert.False(broker.Broker.CloseConnection("nobody"));
    }

    [Fact]
    public async Task Close_TellsTheClient_AndOnlyThatOne()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await using var other = await broker.ConnectAsync("1.2");

        Assert.True(broker.Broker.CloseConnection(client.Id));

        Assert.Equal("closed by an administrator", (await client.ErrorAsync())["message"]);
        await broker.UntilConnectionsAsync(1);
        await other.FenceAsync();
    }

    [Fact]
    public async Task Close_OfAClientThatStillSends_ItGetsTheError_AndTheBrokerClosesByItself()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.SendBytesAsync((byte[])[.. Enumerable.Range(0, 1000).SelectMany(_ => WireClient.Frame("SEND", new string('x', 100), "destination:/queue/a"))]);

        broker.Broker.CloseConnection(client.Id);
        while ((await client.NextAsync()).Command != "ERROR")
        {
        }

        await client.EndOfBrokerAsync();
    }

    [Fact]
    public async Task Close_OfAClientThatWaitsForTheStore_TakesNoLonger()
    {
        var (broker, store) = await RunningBroker.StartPlainAsync();
        await using var running = broker;
        await using var client = await broker.ConnectAsync("1.2");
        store.Close();
        await client.SendMessageAsync("/queue/a", "x", "receipt:r");
        await store.Reached;

        broker.Broker.CloseConnection(client.Id);
        store.Open();

        // The message was with the store already: its receipt comes first.
        await client.ReceiptAsync("r");
        Assert.Equal("closed by an administrator", (await client.ErrorAsync())["message"]);
    }

    [Fact]
    public async Task Close_OfAClientThatReadsNoReceipts_EndsIt()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectSlowAsync("1.2");
        var frame = WireClient.Frame("SEND", "", "destination:/topic/nobody", $"receipt:{new string('r', 5000)}");
        var sending = Task.Run(
            async () =>
            {
                for (var i = 0; i < 10_000; i++)
                {
                    await client.SendBytesAsync(frame);
                }
            },
            TestContext.Current.CancellationToken);
        await RunningBroker.UntilAsync(() => broker.Describe(client).PendingBytes > 1024 * 1024, "receipts wait to be read");

        broker.Broker.CloseConnection(client.Id);
        while ((await client.NextAsync()).Command != "ERROR")
        {
        }

        await Task.WhenAny(sending);
        await broker.UntilConnectionsAsync(0);
        Assert.DoesNotContain(broker.Log.Entries, entry => entry.Id == 3004);
    }

    [Theory]
    [MemberData(nameof(Matrix.Stores), MemberType = typeof(Matrix))]
    public async Task Stop_TellsEverybody_AndMessagesReturn(string store)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        var clients = new List<WireClient>();
        for (var i = 0; i < 3; i++)
        {
            clients.Add(await broker.ConnectAsync("1.2"));
            await clients[i].ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client", "prefetch-count:1");
            await clients[i].ConfirmMessageAsync("/queue/a", $"{i}");
        }

        foreach (var client in clients)
        {
            await client.MessageAsync();
        }

        var stopping = broker.Broker.StopAsync(WireClient.Deadline);
        foreach (var client in clients)
        {
            Assert.Equal("stopping", (await client.ErrorAsync())["message"]);
        }

        await stopping;
        Assert.Equal(3, (await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken)).Ready);
        await using var late = await broker.OpenAsync();
        Assert.Equal("stopping", (await late.ErrorAsync())["message"]);
    }

    [Fact]
    public async Task Dispose_WithClientsThatDoNotRead_Ends()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var stuck = await broker.ConnectSlowAsync("1.2");
        await stuck.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client");
        await using var sender = await broker.ConnectAsync("1.2");
        for (var i = 0; i < 10; i++)
        {
            await sender.SendMessageAsync("/queue/a", new string('x', 1024 * 1024));
        }

        await sender.FenceAsync();

        await broker.Broker.DisposeAsync();

        Assert.Equal(0, broker.Broker.ConnectionCount);
    }

    [Fact]
    public async Task StoreFails_TheClientIsToldWithoutParticulars_AndTheLogHasThem()
    {
        var (broker, store) = await RunningBroker.StartPlainAsync();
        await using var running = broker;
        await using var client = await broker.ConnectAsync("1.2");
        store.Fail(new BackendUnavailableException("The disk /dev/secret is full.", mayHaveBeenApplied: false));

        await client.SendMessageAsync("/queue/a", "x", "receipt:r");

        var error = await client.ErrorAsync();
        Assert.Equal(("store unavailable", "r"), (error["message"], error["receipt-id"]));
        Assert.DoesNotContain("secret", error.ToString(), StringComparison.Ordinal);
        Assert.Contains(broker.Log.Entries, entry => entry.Id == 3006 && entry.Whole.Contains("/dev/secret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task MessageIsRefused_WhatFollowedInThePieceIsNotAcknowledged()
    {
        await using var broker = await RunningBroker.StartAsync();
        await broker.Admin.CreateQueueAsync("full", new QueueSettings { MaxLength = 1 }, TestContext.Current.CancellationToken);
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmMessageAsync("/queue/full", "x");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/in", "ack:client");
        await client.ConfirmMessageAsync("/queue/in", "work");
        var message = await client.MessageAsync();

        // The work was to become a message that is refused: it must not be gone, whatever else was sent with it.
        await client.SendBytesAsync((byte[])[
            .. WireClient.Frame("SEND", "result", "destination:/queue/full"),
            .. WireClient.Frame("ACK", "", $"id:{message["ack"]}"),
            .. WireClient.Frame("SUBSCRIBE", "", "id:x", "destination:/queue/x", "receipt:r")]);

        Assert.Equal("queue full", (await client.ErrorAsync())["message"]);
        await broker.UntilConnectionsAsync(0);
        Assert.Equal(1, (await broker.Admin.GetStatsAsync("in", TestContext.Current.CancellationToken)).Ready);
    }
}
