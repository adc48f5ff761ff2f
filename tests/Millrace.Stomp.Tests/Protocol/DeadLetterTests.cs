using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>Looking: at queues and at dead letters.</summary>
public sealed class DeadLetterTests
{
    [Theory]
    [MemberData(nameof(Matrix.StoresAndVersions), MemberType = typeof(Matrix))]
    public async Task Browse_ShowsWhatIsReady_AndLeavesIt(string store, string version)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync(version);
        for (var i = 0; i < 120; i++)
        {
            await client.SendMessageAsync("/queue/a", $"{i}", "x:1", "priority:5");
        }

        await client.ConfirmAsync("SUBSCRIBE", "id:b", "destination:/queue/a", "browser:true");

        var messages = await client.MessagesAsync(121);
        Assert.Equal(Enumerable.Range(0, 120).Select(i => $"{i}"), messages[..120].Select(message => message.Text));
        Assert.All(messages[..120], message => Assert.Equal(("b", "/queue/a", "1", "5", null), (message["subscription"], message["destination"], message["x"], message["priority"], message["browser"])));
        Assert.Equal(("b", "end", ""), (messages[120]["subscription"], messages[120]["browser"], messages[120].Text));
        Assert.Equal(120, (await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken)).Ready);
        await client.ConfirmAsync("UNSUBSCRIBE", "id:b");
    }

    [Theory]
    [MemberData(nameof(Matrix.Stores), MemberType = typeof(Matrix))]
    public async Task Browse_OfDeadLetters_SaysWhyTheyAreThere(string store)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client-individual");
        await client.ConfirmMessageAsync("/queue/a", "one");
        await client.ConfirmAsync("NACK", $"id:{(await client.MessageAsync())["ack"]}", "requeue:false");

        await client.ConfirmAsync("SUBSCRIBE", "id:b", "destination:/dead/a", "browser:true");

        var dead = await client.MessageAsync();
        Assert.Equal(("one", "rejected", "1"), (dead.Text, dead["dead-letter-reason"], dead["dead-letter-attempts"]));
        Assert.NotNull(dead["dead-letter-at"]);
        Assert.Equal("end", (await client.MessageAsync())["browser"]);
        Assert.Equal(1, (await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken)).Dead);
    }

    [Theory]
    [MemberData(nameof(Matrix.Stores), MemberType = typeof(Matrix))]
    public async Task Browse_OfDeadLetters_WhereThereAreNone_Ends(string store)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmMessageAsync("/queue/a", "one");

        await client.ConfirmAsync("SUBSCRIBE", "id:b", "destination:/dead/a", "browser:true");

        Assert.Equal("end", (await client.MessageAsync())["browser"]);
    }

    [Fact]
    public async Task Browse_OfAQueueThatDoesNotExist_IsAnError()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");

        await client.SendAsync("SUBSCRIBE", "id:b", "destination:/queue/nowhere", "browser:true", "receipt:r");

        var error = await client.ErrorAsync();
        Assert.Equal(("no such queue", "r"), (error["message"], error["receipt-id"]));
    }

    [Theory]
    [MemberData(nameof(Matrix.Stores), MemberType = typeof(Matrix))]
    public async Task DeadLetters_AreConsumed_AndRedelivered(string store)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client-individual");
        for (var i = 0; i < 3; i++)
        {
            await client.ConfirmMessageAsync("/queue/a", $"{i}");
            await client.ConfirmAsync("NACK", $"id:{(await client.MessageAsync())["ack"]}", "requeue:false");
        }

        await using var undertaker = await broker.ConnectAsync("1.2");
        await undertaker.ConfirmAsync("SUBSCRIBE", "id:d", "destination:/dead/a", "ack:client-individual");
        var dead = await undertaker.MessagesAsync(3);
        Assert.Equal(["0", "1", "2"], dead.Select(message => message.Text));
        await undertaker.ConfirmAsync("ACK", $"id:{dead[0]["ack"]}");
        await undertaker.ConfirmAsync("NACK", $"id:{dead[1]["ack"]}");
        Assert.Equal(("1", "true"), (await undertaker.MessageAsync()) is var again ? (again.Text, again["redelivered"]) : default);
        Assert.Equal(2, (await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken)).Dead);
    }
}
