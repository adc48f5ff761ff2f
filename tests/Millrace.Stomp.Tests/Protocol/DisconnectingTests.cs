using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>DISCONNECT, and the other ends of a connection.</summary>
public sealed class DisconnectingTests
{
    [Theory]
    [MemberData(nameof(Matrix.Versions), MemberType = typeof(Matrix))]
    public async Task Disconnect_WithAReceipt_ItIsTheLastThing(string version)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync(version);
        await client.SendMessageAsync("/queue/a", "stored");
        await client.SendAsync("DISCONNECT", "receipt:bye");

        Assert.Equal("bye", (await client.NextAsync())["receipt-id"]);
        await client.EndOfBrokerAsync();

        await broker.UntilConnectionsAsync(0);
        Assert.Equal(1, (await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken)).Ready);
        Assert.Equal(0, broker.Broker.Counters.ErrorsSent);
    }

    [Theory]
    [MemberData(nameof(Matrix.Versions), MemberType = typeof(Matrix))]
    public async Task Disconnect_WithoutAReceipt_ClosesWithoutAWord(string version)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync(version);

        await client.SendAsync("DISCONNECT");

        await client.EndOfBrokerAsync();
        Assert.Empty(client.KeptMessages);
    }

    [Fact]
    public async Task Disconnect_FramesAfterIt_AreNotHandled()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var other = await broker.ConnectAsync("1.2");
        await using var client = await broker.ConnectAsync("1.2");

        await client.SendBytesAsync((byte[])[.. WireClient.Frame("DISCONNECT"), .. WireClient.Frame("SEND", "late", "destination:/queue/a")]);
        await broker.UntilConnectionsAsync(1);

        await other.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");
        await other.ConfirmMessageAsync("/queue/a", "end");
        Assert.Equal("end", (await other.MessageAsync()).Text);
    }

    [Fact]
    public async Task Disconnect_WhatWasSentBefore_IsStored()
    {
        await using var broker = await RunningBroker.StartAsync("sqlite");
        await using var client = await broker.ConnectAsync("1.2");

        await client.SendBytesAsync((byte[])[
            .. Enumerable.Range(0, 100).SelectMany(i => WireClient.Frame("SEND", $"{i}", "destination:/queue/a")),
            .. WireClient.Frame("DISCONNECT", "", "receipt:r")]);

        await client.ReceiptAsync("r");
        Assert.Equal(100, (await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken)).Ready);
    }

    [Fact]
    public async Task ClientGoes_WithoutAWord_NothingOfItIsLeft()
    {
        var authority = new TestAuthority();
        authority.Add(
            "ada", "p", (Security.StompAccess.Receive, Security.StompResource.Queue, "*"), (Security.StompAccess.Receive, Security.StompResource.Topic, "*"), (Security.StompAccess.Send, Security.StompResource.Queue, "*"));
        await using var broker = await RunningBroker.StartAsync(setup: new() { Authority = authority });
        await using var client = await broker.ConnectAsync("1.2", "login:ada", "passcode:p");
        await client.ConfirmAsync("SUBSCRIBE", "id:q", "destination:/queue/a");
        await client.ConfirmAsync("SUBSCRIBE", "id:t", "destination:/topic/a*");
        await client.ConfirmAsync("SUBSCRIBE", "id:x", "destination:/temp-queue/a");
        await client.ConfirmMessageAsync("/queue/b", "x");
        await client.SendAsync("BEGIN", "transaction:t");
        await client.SendTextAsync("SEND\ndestination:/queue/half\ncontent-length:1000000\n\nhalf of it");
        await RunningBroker.UntilAsync(() => broker.Broker.Resources.Budget.Used > 0, "the frame has begun");
        Assert.Equal(3, authority.OpenPermits);

        client.Cut();

        await broker.UntilConnectionsAsync(0);
        Assert.Equal((0, 0), (authority.OpenCallers, authority.OpenPermits));
        Assert.Equal(0, broker.Broker.Resources.Budget.Used);
        Assert.Equal(0, broker.Broker.Resources.Timers.Count);
        Assert.All(broker.Broker.Resources.Destinations.All, counters => Assert.Equal(0, counters.Subscriptions));
        Assert.Equal(["a", "b"], await broker.Admin.ListQueuesAsync("", null, 100, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task ClientClosesItsHalf_WhatItSentBeforeIsHandled()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.SendMessageAsync("/queue/a", "x");

        await client.EndAsync();

        await broker.UntilConnectionsAsync(0);
        Assert.Equal(1, (await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken)).Ready);
    }
}
