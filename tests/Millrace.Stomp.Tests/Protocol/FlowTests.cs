using Millrace.Testing;
using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>Fairness among those who consume, and what happens when somebody is slow: a client, or the store.</summary>
public sealed class FlowTests
{
    private const int Megabyte = 1024 * 1024;

    [Theory]
    [MemberData(nameof(Matrix.Stores), MemberType = typeof(Matrix))]
    public async Task SubscribersOfAQueue_TakeTurns(string store)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var sender = await broker.ConnectAsync("1.2");
        var clients = new List<WireClient>();
        for (var i = 0; i < 4; i++)
        {
            clients.Add(await broker.ConnectAsync("1.2"));
            await clients[i].ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client", "prefetch-count:25");
        }

        await sender.SendBytesAsync((byte[])[.. Enumerable.Range(0, 100).SelectMany(i => WireClient.Frame("SEND", $"{i}", "destination:/queue/a"))]);

        // Nobody acknowledges, so everybody gets all of his share, and what is sent one by one goes around.
        foreach (var client in clients)
        {
            var messages = await client.MessagesAsync(25);
            await client.ConfirmAsync("ACK", $"id:{messages[^1]["ack"]}");
        }

        for (var round = 0; round < 8; round++)
        {
            await sender.SendMessageAsync("/queue/a", $"{round}");
        }

        foreach (var client in clients)
        {
            await client.MessagesAsync(2);
            await client.DisposeAsync();
        }
    }

    [Fact]
    public async Task StoreIsSlow_TheProducerIsNotReadFrom_AndMemoryIsBounded()
    {
        var (broker, store) = await RunningBroker.StartPlainAsync();
        await using var running = broker;
        await using var producer = await broker.ConnectAsync("1.2");
        await using var other = await broker.ConnectAsync("1.2");
        store.Close();
        var piece = Enumerable.Range(0, 100).SelectMany(_ => WireClient.Frame("SEND", new string('x', 1000), "destination:/queue/a")).ToArray();
        await producer.SendBytesAsync(WireClient.Frame("SEND", new string('x', 1000), "destination:/queue/a"));
        await store.Reached;

        // What the producer can send on is what sockets and pipes hold: then nobody takes more.
        var sent = 0L;
        var at = 0;
        for (var refused = 0; refused < 100;)
        {
            var taken = producer.SendWithoutWaiting(piece.AsSpan(at));
            (sent, at, refused) = (sent + taken, (at + taken) % piece.Length, taken == 0 ? refused + 1 : 0);
            await Task.Yield();
        }

        Assert.InRange(sent, 1, 32 * Megabyte);
        Assert.InRange(store.Enqueued, 1, 200);

        // Nobody else waits for it.
        await other.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/t");
        await other.ConfirmMessageAsync("/topic/t", "x");

        store.Open();
        await producer.SendBytesAsync(piece.AsMemory(at));
        var total = 1 + ((sent - at + piece.Length) / piece.Length * 100);
        await producer.ConfirmMessageAsync("/queue/a", "last");
        Assert.Equal(total + 1, store.Enqueued);
    }

    [Fact]
    public async Task ClientDoesNotRead_OthersGoOn_AndWhatWaitsForItIsBounded()
    {
        const int Count = 60;
        await using var broker = await RunningBroker.StartAsync();
        await using var sender = await broker.ConnectAsync("1.2");
        await using var stuck = await broker.ConnectSlowAsync("1.2");
        await using var other = await broker.ConnectAsync("1.2");
        await stuck.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client-individual", "prefetch-count:8");
        await other.ConfirmAsync("SUBSCRIBE", "id:o", "destination:/queue/a", "ack:client-individual", "prefetch-count:8");
        var body = new byte[Megabyte];
        var sending = Task.Run(
            async () =>
            {
                for (var i = 0; i < Count; i++)
                {
                    await sender.SendBytesAsync(WireClient.Frame("SEND", body, "destination:/queue/a", $"content-length:{body.Length}"));
                }
            },
            TestContext.Current.CancellationToken);

        for (var i = 0; i < Count - 8; i++)
        {
            await other.SendAsync("ACK", $"id:{(await other.MessageAsync())["ack"]}");
        }

        await sending;
        Assert.InRange(broker.Describe(stuck).PendingBytes, 1, 9 * Megabyte);
        Assert.InRange(broker.Describe(stuck).Subscriptions[0].Unacknowledged, 1, 8);

        // It reads again, and gets what was meant for it.
        var late = await stuck.MessagesAsync(1);
        await stuck.ConfirmAsync("ACK", $"id:{late[0]["ack"]}");
    }

    [Theory]
    [MemberData(nameof(Matrix.Stores), MemberType = typeof(Matrix))]
    public async Task ClientDoesNotRead_ItIsCutAfterTheTimeout_AndItsMessagesGoToOthers(string store)
    {
        const int Count = 16;
        var clock = new ManualTimeProvider();
        await using var broker = await RunningBroker.StartAsync(store, new() { Clock = clock, Options = new() { SendTimeout = TimeSpan.FromSeconds(20) } });
        await using var sender = await broker.ConnectAsync("1.2");
        await using var stuck = await broker.ConnectSlowAsync("1.2");
        await stuck.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client");
        var body = new byte[Megabyte];
        for (var i = 0; i < Count; i++)
        {
            await sender.SendBytesAsync(WireClient.Frame("SEND", body, "destination:/queue/a", $"content-length:{body.Length}", $"n:{i}"));
        }

        await sender.FenceAsync();
        await RunningBroker.UntilAsync(
            () =>
            {
                clock.Advance(TimeSpan.FromSeconds(1));
                return broker.Broker.ConnectionCount == 1;
            },
            "the client that does not read is cut");

        await using var other = await broker.ConnectAsync("1.2");
        await other.ConfirmAsync("SUBSCRIBE", "id:o", "destination:/queue/a", "ack:client");
        var messages = await other.MessagesAsync(Count);
        Assert.Equal(Enumerable.Range(0, Count), messages.Select(message => int.Parse(message["n"]!, System.Globalization.CultureInfo.InvariantCulture)));
        Assert.True(clock.GetTimestamp() >= TimeSpan.FromSeconds(20).Ticks);
        await stuck.EndAsync();
    }

    [Fact]
    public async Task TwoSubscriptionsOfASlowClient_BothGoOnWhenItReads()
    {
        const int Each = 30;
        await using var broker = await RunningBroker.StartAsync();
        await using var sender = await broker.ConnectAsync("1.2");
        await using var slow = await broker.ConnectSlowAsync("1.2");
        await slow.ConfirmAsync("SUBSCRIBE", "id:a", "destination:/queue/a", "prefetch-count:5");
        await slow.ConfirmAsync("SUBSCRIBE", "id:b", "destination:/queue/b", "prefetch-count:25");
        var body = new byte[Megabyte];
        for (var i = 0; i < Each; i++)
        {
            await sender.SendBytesAsync(WireClient.Frame("SEND", body, "destination:/queue/a", $"content-length:{body.Length}"));
            await sender.SendBytesAsync(WireClient.Frame("SEND", body, "destination:/queue/b", $"content-length:{body.Length}"));
        }

        await sender.FenceAsync();
        var messages = await slow.MessagesAsync(2 * Each);

        Assert.Equal(Each, messages.Count(message => message["subscription"] == "a"));
    }

    [Fact]
    public async Task ClientSendsMuch_AndReadsNoReceipts_ItIsNotReadFrom_UntilItDoes()
    {
        const int Count = 8_000;
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectSlowAsync("1.2");
        var id = new string('r', 4000);
        var frame = WireClient.Frame("SEND", "", "destination:/topic/nobody", $"receipt:{id}");
        byte[] piece = [.. Enumerable.Range(0, 100).SelectMany(_ => frame)];
        var sending = Task.Run(
            async () =>
            {
                for (var i = 0; i < Count / 100; i++)
                {
                    await client.SendBytesAsync(piece);
                }
            },
            TestContext.Current.CancellationToken);
        await RunningBroker.UntilAsync(() => broker.Describe(client).PendingBytes > 512 * 1024, "receipts wait to be read");
        Assert.False(sending.IsCompleted);

        for (var i = 0; i < Count; i++)
        {
            await client.ReceiptAsync(id);
        }

        await sending;
    }
}
