using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>ACK, by mode and by version.</summary>
public sealed class AcknowledgingTests
{
    /// <summary>What an ACK or NACK of a message names it by, in each version.</summary>
    internal static string[] NamesOf(WireClient client, WireFrame message) => client.Version switch
    {
        "1.0" => [$"message-id:{message["message-id"]}"],
        "1.1" => [$"message-id:{message["message-id"]}", $"subscription:{message["subscription"]}"],
        _ => [$"id:{message["ack"]}"],
    };

    [Theory]
    [MemberData(nameof(Matrix.StoresAndVersions), MemberType = typeof(Matrix))]
    public async Task Auto_MessagesAreGoneWhenTheyAreSent(string store, string version)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");
        await client.ConfirmMessageAsync("/queue/a", "one");

        var message = await client.MessageAsync();

        Assert.Null(message["ack"]);
        await client.ConfirmAsync("UNSUBSCRIBE", "id:s");
        var stats = await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken);
        Assert.Equal((0, 0), (stats.Ready, stats.Leased));
    }

    [Theory]
    [MemberData(nameof(Matrix.StoresAndVersions), MemberType = typeof(Matrix))]
    public async Task ClientIndividual_AckIsForOne_TheOthersReturn(string store, string version)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client-individual");
        foreach (var text in new[] { "one", "two", "three" })
        {
            await client.ConfirmMessageAsync("/queue/a", text);
        }

        var messages = await client.MessagesAsync(3);
        await client.ConfirmAsync("ACK", NamesOf(client, messages[1]));
        await client.ConfirmAsync("UNSUBSCRIBE", "id:s");

        await using var other = await broker.ConnectAsync(version);
        await other.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");
        Assert.Equal(["one", "three"], await other.TextsAsync(2));
    }

    [Theory]
    [MemberData(nameof(Matrix.StoresAndVersions), MemberType = typeof(Matrix))]
    public async Task Client_AckIsForAllBefore(string store, string version)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client");
        foreach (var text in new[] { "one", "two", "three" })
        {
            await client.ConfirmMessageAsync("/queue/a", text);
        }

        var messages = await client.MessagesAsync(3);
        await client.ConfirmAsync("ACK", NamesOf(client, messages[1]));
        await client.ConfirmAsync("UNSUBSCRIBE", "id:s");

        await using var other = await broker.ConnectAsync(version);
        await other.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");
        await other.ConfirmMessageAsync("/queue/a", "end");
        Assert.Equal(["three", "end"], await other.TextsAsync(2));
        Assert.Equal(2, broker.Broker.Counters.MessagesAcknowledged);
    }

    [Theory]
    [MemberData(nameof(Matrix.Versions), MemberType = typeof(Matrix))]
    public async Task Client_AckIsForItsSubscriptionOnly(string version)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:a", "destination:/queue/a", "ack:client");
        await client.ConfirmAsync("SUBSCRIBE", "id:b", "destination:/queue/b", "ack:client");
        await client.ConfirmMessageAsync("/queue/a", "in a");
        await client.MessageAsync();
        await client.ConfirmMessageAsync("/queue/b", "in b");

        await client.ConfirmAsync("ACK", NamesOf(client, await client.MessageAsync()));

        var subscriptions = broker.Describe(client).Subscriptions;
        Assert.Equal([("a", 1), ("b", 0)], subscriptions.Select(subscription => (subscription.Id, subscription.Unacknowledged)));
    }

    [Theory]
    [MemberData(nameof(Matrix.Versions), MemberType = typeof(Matrix))]
    public async Task Ack_Twice_IsAnErrorWithTheReceipt(string version)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client-individual");
        await client.ConfirmMessageAsync("/queue/a", "one");
        var message = await client.MessageAsync();
        await client.ConfirmAsync("ACK", NamesOf(client, message));

        await client.SendAsync("ACK", [.. NamesOf(client, message), "receipt:again"]);

        var error = await client.ErrorAsync();
        Assert.Equal("unknown message", error["message"]);
        Assert.Equal("again", error["receipt-id"]);
    }

    [Theory]
    [InlineData("1.0", "subscription:s")]
    [InlineData("1.1", "subscription:s")]
    [InlineData("1.1", "message-id:x")]
    [InlineData("1.2", "message-id:x")]
    public async Task Ack_WithoutWhatTheVersionAsksFor_IsAnError(string version, string header)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client");

        await client.SendAsync("ACK", header);

        Assert.Equal("malformed frame", (await client.ErrorAsync())["message"]);
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("1-0")]
    [InlineData("1--1")]
    [InlineData("1-99999999999999999999")]
    [InlineData("99-16777216")]
    [InlineData("-1-16777216")]
    public async Task Ack_OfAnIdThatWasNeverGiven_IsAnError(string id)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client");
        await client.ConfirmMessageAsync("/queue/a", "one");
        await client.MessageAsync();

        await client.SendAsync("ACK", $"id:{id}");

        Assert.Equal("unknown message", (await client.ErrorAsync())["message"]);
    }

    [Fact]
    public async Task Ack_In10_NeedsNoSubscription_AlsoBesideOneToATopic()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.0");
        await client.ConfirmAsync("SUBSCRIBE", "destination:/topic/t");
        await client.ConfirmAsync("SUBSCRIBE", "destination:/queue/a", "ack:client");
        await client.ConfirmMessageAsync("/queue/a", "one");

        await client.ConfirmAsync("ACK", $"message-id:{(await client.MessageAsync())["message-id"]}");

        Assert.Equal(1, broker.Broker.Counters.MessagesAcknowledged);
        await client.ConfirmAsync("DISCONNECT");
        await broker.UntilConnectionsAsync(0);
        var stats = await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken);
        Assert.Equal((0, 0), (stats.Ready, stats.Leased));
    }

    [Theory]
    [MemberData(nameof(Matrix.Versions), MemberType = typeof(Matrix))]
    public async Task Ack_OfATopicMessage_HasNoEffect(string version)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/t", "ack:client");
        await client.ConfirmMessageAsync("/topic/t", "one");

        await client.ConfirmAsync("ACK", NamesOf(client, await client.MessageAsync()));
    }

    [Theory]
    [MemberData(nameof(Matrix.StoresAndVersions), MemberType = typeof(Matrix))]
    public async Task Acks_ManyInOnePiece_AllAreCarriedOut(string store, string version)
    {
        const int Count = 300;
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client-individual", "prefetch-count:50");
        await client.SendBytesAsync((byte[])[.. Enumerable.Range(0, Count).SelectMany(i => WireClient.Frame("SEND", $"{i}", "destination:/queue/a"))]);

        for (var from = 0; from < Count; from += 50)
        {
            var messages = await client.MessagesAsync(50);
            Assert.Equal(Enumerable.Range(from, 50).Select(i => $"{i}"), messages.Select(message => message.Text));
            await client.SendBytesAsync((byte[])[.. messages.SelectMany(message => WireClient.Frame("ACK", "", NamesOf(client, message)))]);
        }

        await client.FenceAsync();
        Assert.Equal(Count, broker.Broker.Counters.MessagesAcknowledged);
        var stats = await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken);
        Assert.Equal((0, 0), (stats.Ready, stats.Leased));
    }
}
