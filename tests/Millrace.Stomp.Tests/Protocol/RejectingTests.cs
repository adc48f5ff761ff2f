using Millrace.Storage;
using Millrace.Testing;
using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>NACK: ready again at once, later, or dead.</summary>
public sealed class RejectingTests
{
    public static TheoryData<string, string> StoresAndLaterVersions => new()
    {
        { "memory", "1.1" },
        { "memory", "1.2" },
        { "sqlite", "1.1" },
        { "sqlite", "1.2" },
    };

    [Theory]
    [MemberData(nameof(StoresAndLaterVersions))]
    public async Task Nack_IsReadyAgainAtOnce_AndSaysSo(string store, string version)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client-individual");
        await client.ConfirmMessageAsync("/queue/a", "one");
        var first = await client.MessageAsync();

        await client.ConfirmAsync("NACK", AcknowledgingTests.NamesOf(client, first));

        var second = await client.MessageAsync();
        Assert.Null(first["redelivered"]);
        Assert.Equal("true", second["redelivered"]);
        Assert.Equal(first["message-id"], second["message-id"]);
        Assert.Equal("one", second.Text);
        Assert.Equal(1, broker.Broker.Counters.MessagesRejected);
        if (version == "1.2")
        {
            Assert.NotEqual(first["ack"], second["ack"]);
        }
    }

    [Theory]
    [MemberData(nameof(StoresAndLaterVersions))]
    public async Task Nack_InClientMode_IsForAllBefore_AndTheyKeepTheirOrder(string store, string version)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client", "prefetch-count:3");
        foreach (var text in new[] { "one", "two", "three", "four" })
        {
            await client.ConfirmMessageAsync("/queue/a", text);
        }

        var messages = await client.MessagesAsync(3);
        await client.ConfirmAsync("NACK", AcknowledgingTests.NamesOf(client, messages[1]));

        var again = await client.MessagesAsync(2);
        Assert.Equal(["one", "two"], again.Select(message => message.Text));
        Assert.All(again, message => Assert.Equal("true", message["redelivered"]));
    }

    [Theory]
    [MemberData(nameof(StoresAndLaterVersions))]
    public async Task Nack_WithADelay_ComesBackAfterIt(string store, string version)
    {
        var clock = new ManualTimeProvider();
        await using var broker = await RunningBroker.StartAsync(store, new() { Clock = clock });
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client-individual");
        await client.ConfirmMessageAsync("/queue/a", "one");

        await client.ConfirmAsync("NACK", [.. AcknowledgingTests.NamesOf(client, await client.MessageAsync()), "x-delay:5000"]);
        Assert.Equal(1, (await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken)).Scheduled);
        clock.Advance(TimeSpan.FromSeconds(4.9));
        Assert.Equal(1, (await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken)).Scheduled);
        clock.Advance(TimeSpan.FromSeconds(0.2));

        Assert.Equal("true", (await client.MessageAsync())["redelivered"]);
    }

    [Theory]
    [MemberData(nameof(StoresAndLaterVersions))]
    public async Task Nack_WithoutRequeue_IsADeadLetterAtOnce(string store, string version)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client-individual");
        await client.ConfirmMessageAsync("/queue/a", "one", "x-mark:kept");

        await client.ConfirmAsync("NACK", [.. AcknowledgingTests.NamesOf(client, await client.MessageAsync()), "requeue:false"]);

        await client.ConfirmAsync("SUBSCRIBE", "id:d", "destination:/dead/a", "ack:client-individual");
        var dead = await client.MessageAsync();
        Assert.Equal("one", dead.Text);
        Assert.Equal("kept", dead["x-mark"]);
        Assert.Equal("/dead/a", dead["destination"]);
        Assert.Equal("rejected", dead["dead-letter-reason"]);
        Assert.Equal("1", dead["dead-letter-attempts"]);
        await client.ConfirmAsync("ACK", AcknowledgingTests.NamesOf(client, dead));
        Assert.Equal(0, (await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken)).Dead);
    }

    [Theory]
    [MemberData(nameof(StoresAndLaterVersions))]
    public async Task Nack_MoreOftenThanTheMaximumOfDeliveries_IsADeadLetter(string store, string version)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await broker.Admin.CreateQueueAsync("a", new QueueSettings { MaxDeliveries = 3 }, TestContext.Current.CancellationToken);
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:d", "destination:/dead/a");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client-individual");
        await client.ConfirmMessageAsync("/queue/a", "poison");

        for (var i = 0; i < 3; i++)
        {
            var message = await client.MessageAsync();
            Assert.Equal("s", message["subscription"]);
            await client.ConfirmAsync("NACK", AcknowledgingTests.NamesOf(client, message));
        }

        var dead = await client.MessageAsync();
        Assert.Equal("d", dead["subscription"]);
        Assert.Equal("poison", dead.Text);
        Assert.Equal("3", dead["dead-letter-attempts"]);
    }

    [Fact]
    public async Task Nack_In10_IsAnError()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.0");
        await client.ConfirmAsync("SUBSCRIBE", "destination:/queue/a", "ack:client");
        await client.ConfirmMessageAsync("/queue/a", "one");

        await client.SendAsync("NACK", $"message-id:{(await client.MessageAsync())["message-id"]}");

        Assert.Equal("unknown command", (await client.ErrorAsync())["message"]);
    }

    [Theory]
    [InlineData("x-delay:soon")]
    [InlineData("x-delay:-1")]
    [InlineData("x-delay:9999999999999")]
    public async Task Nack_WithADelayThatCannotBe_IsAnError(string header)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client");
        await client.ConfirmMessageAsync("/queue/a", "one");

        await client.SendAsync("NACK", $"id:{(await client.MessageAsync())["ack"]}", header);

        Assert.Equal("malformed frame", (await client.ErrorAsync())["message"]);
    }
}
