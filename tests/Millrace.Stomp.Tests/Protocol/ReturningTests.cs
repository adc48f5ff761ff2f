using Millrace.Storage;
using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>What is not acknowledged goes back the moment its subscription ends, in order.</summary>
public sealed class ReturningTests
{
    public static TheoryData<string, string, string> Ends
    {
        get
        {
            var data = new TheoryData<string, string, string>();
            foreach (var store in new[] { "memory", "sqlite" })
            {
                foreach (var mode in new[] { "client", "client-individual" })
                {
                    foreach (var end in new[] { "cut", "close", "disconnect", "unsubscribe", "error", "administrator" })
                    {
                        data.Add(store, mode, end);
                    }
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Ends))]
    public async Task SubscriptionEnds_HoweverItDoes_ItsMessagesGoToAnother_InOrder(string store, string mode, string end)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", $"ack:{mode}");
        await SendNumbersAsync(client, 20);
        await client.MessagesAsync(20);

        // It waits already: what comes back must reach it without a new message.
        await using var other = await broker.ConnectAsync("1.1");
        await other.ConfirmAsync("SUBSCRIBE", "id:o", "destination:/queue/a");
        await EndAsync(broker, client, end);

        var messages = await other.MessagesAsync(20);
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"{i}"), messages.Select(message => message.Text));
        Assert.All(messages, message => Assert.Equal("true", message["redelivered"]));
    }

    [Theory]
    [MemberData(nameof(Matrix.Stores), MemberType = typeof(Matrix))]
    public async Task SomeAreAcknowledged_TheRestReturnsToItsPlace_BeforeWhatIsNewer(string store)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client-individual", "prefetch-count:4");
        await SendNumbersAsync(client, 8);
        var messages = await client.MessagesAsync(4);
        await client.ConfirmAsync("ACK", $"id:{messages[0]["ack"]}");
        await client.ConfirmAsync("ACK", $"id:{messages[2]["ack"]}");
        await client.MessagesAsync(2);

        client.Cut();

        await using var other = await broker.ConnectAsync("1.2");
        await other.ConfirmAsync("SUBSCRIBE", "id:o", "destination:/queue/a", "ack:client-individual", "prefetch-count:1");
        await broker.UntilConnectionsAsync(1);
        var texts = new List<string>();
        for (var i = 0; i < 6; i++)
        {
            var message = await other.MessageAsync();
            texts.Add(message.Text);
            await other.ConfirmAsync("ACK", $"id:{message["ack"]}");
        }

        // The witness may have been faster than the end of the other, and then has the first message that was left.
        Assert.Equal(["1", "3", "4", "5", "6", "7"], texts.Order());
        Assert.Equal(["1", "3"], texts.Where(text => text is "1" or "3"));
    }

    [Theory]
    [MemberData(nameof(Matrix.Stores), MemberType = typeof(Matrix))]
    public async Task Delivered_AndCutAgainAndAgain_ItsAttemptsCount(string store)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await broker.Admin.CreateQueueAsync("a", new QueueSettings { MaxDeliveries = 3 }, TestContext.Current.CancellationToken);
        await using var sender = await broker.ConnectAsync("1.2");
        await sender.ConfirmAsync("SUBSCRIBE", "id:d", "destination:/dead/a");
        await sender.ConfirmMessageAsync("/queue/a", "kills its consumer");

        for (var i = 0; i < 3; i++)
        {
            await using var client = await broker.ConnectAsync("1.2");
            await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client");
            await client.MessageAsync();
            client.Cut();
        }

        Assert.Equal("kills its consumer", (await sender.MessageAsync()).Text);
    }

    [Theory]
    [MemberData(nameof(Matrix.Stores), MemberType = typeof(Matrix))]
    public async Task NotWrittenYet_ItsAttemptDoesNotCount(string store)
    {
        const int Count = 24;
        await using var broker = await RunningBroker.StartAsync(store);
        await broker.Admin.CreateQueueAsync("a", new QueueSettings { MaxDeliveries = 1 }, TestContext.Current.CancellationToken);
        await using var sender = await broker.ConnectAsync("1.2");
        var body = new byte[1024 * 1024];
        for (var i = 0; i < Count; i++)
        {
            body[0] = (byte)i;
            await sender.SendBytesAsync(WireClient.Frame("SEND", body, "destination:/queue/a", $"content-length:{body.Length}", $"n:{i}"));
        }

        await sender.FenceAsync();

        // It takes nothing: a few messages are in buffers of sockets, most of them wait in the broker.
        await using var stuck = await broker.ConnectSlowAsync("1.2");
        await stuck.SendAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client-individual", "prefetch-count:20");
        await RunningBroker.UntilAsync(() => broker.Describe(stuck) is { MessagesDelivered: > 0, PendingBytes: > 2 * 1024 * 1024 }, "some has gone to the client, and much waits for it");
        stuck.Cut();

        // With one delivery each, what was begun to be written is dead now, and nothing else.
        await broker.UntilConnectionsAsync(1);
        var stats = await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken);
        Assert.InRange(stats.Dead, 1, 8);
        Assert.Equal(Count, stats.Ready + stats.Dead);
        await using var other = await broker.ConnectAsync("1.2");
        await other.ConfirmAsync("SUBSCRIBE", "id:o", "destination:/queue/a", "prefetch-count:1");
        var rest = await other.MessagesAsync((int)stats.Ready);
        Assert.Equal(Enumerable.Range((int)stats.Dead, (int)stats.Ready).Select(i => $"{i}"), rest.Select(message => message["n"]));
    }

    [Fact]
    public async Task Unsubscribe_NothingComesAfterItsReceipt()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var sender = await broker.ConnectAsync("1.2");
        await using var client = await broker.ConnectAsync("1.2");
        for (var round = 0; round < 6; round++)
        {
            await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client");
            await SendNumbersAsync(sender, 50);
            await client.ConfirmAsync("UNSUBSCRIBE", "id:s");
            var before = client.KeptMessages.Count;
            await client.FenceAsync();
            Assert.Equal(before, client.KeptMessages.Count);
        }

        await sender.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");
        await sender.MessagesAsync(300);
    }

    private static async Task SendNumbersAsync(WireClient client, int count)
    {
        await client.SendBytesAsync((byte[])[.. Enumerable.Range(0, count).SelectMany(i => WireClient.Frame("SEND", $"{i}", "destination:/queue/a"))]);
        await client.FenceAsync();
    }

    private static async Task EndAsync(RunningBroker broker, WireClient client, string end)
    {
        switch (end)
        {
            case "cut":
                client.Cut();
                break;
            case "close":
                await client.EndAsync();
                break;
            case "disconnect":
                await client.ConfirmAsync("DISCONNECT");
                break;
            case "unsubscribe":
                await client.ConfirmAsync("UNSUBSCRIBE", "id:s");
                break;
            case "error":
                await client.SendAsync("ACK", "id:nonsense");
                break;
            default:
                Assert.True(broker.Broker.CloseConnection(client.Id));
                break;
        }
    }
}
