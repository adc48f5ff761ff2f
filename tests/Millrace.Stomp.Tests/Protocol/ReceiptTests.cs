using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>RECEIPT: every frame of a client may ask for one, but CONNECT.</summary>
public sealed class ReceiptTests
{
    [Theory]
    [MemberData(nameof(Matrix.StoresAndVersions), MemberType = typeof(Matrix))]
    public async Task EveryFrame_HasItsReceipt_InOrder(string store, string version)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync(version);
        await client.SendAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client-individual", "receipt:r-1");
        await client.SendMessageAsync("/queue/a", "one", "receipt:r-2");
        await client.SendMessageAsync("/queue/a", "two", "receipt:r-3");
        var messages = await client.MessagesAsync(2);
        await client.SendAsync("ACK", [.. AcknowledgingTests.NamesOf(client, messages[0]), "receipt:r-4"]);
        await client.SendAsync("BEGIN", "transaction:t", "receipt:r-5");
        await client.SendAsync("COMMIT", "transaction:t", "receipt:r-6");
        await client.SendAsync("BEGIN", "transaction:t");
        await client.SendAsync("ABORT", "transaction:t", "receipt:r-7");
        if (version != "1.0")
        {
            await client.SendAsync("NACK", [.. AcknowledgingTests.NamesOf(client, messages[1]), "requeue:false", "receipt:r-8"]);
        }

        await client.SendAsync("UNSUBSCRIBE", "id:s", "receipt:r-9");
        await client.SendAsync("DISCONNECT", "receipt:r-10");

        string[] expected = version == "1.0"
            ? ["r-1", "r-2", "r-3", "r-4", "r-5", "r-6", "r-7", "r-9", "r-10"]
            : ["r-1", "r-2", "r-3", "r-4", "r-5", "r-6", "r-7", "r-8", "r-9", "r-10"];
        foreach (var id in expected)
        {
            var receipt = await client.NextAsync();
            Assert.Equal(("RECEIPT", id), (receipt.Command, receipt["receipt-id"]));
        }

        await client.EndOfBrokerAsync();
    }

    [Theory]
    [InlineData("1.0", @"receipt:a\b:c", @"a\b:c")]
    [InlineData("1.1", @"receipt:a\\b\cc\nd", "a\\b:c\nd")]
    [InlineData("1.2", @"receipt:a\\b\cc\nd\re", "a\\b:c\nd\re")]
    public async Task ReceiptIds_AreEscapedByTheVersion(string version, string header, string id)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync(version);

        await client.SendMessageAsync("/queue/a", "x", header);

        await client.ReceiptAsync(id);
    }

    [Fact]
    public async Task ReceiptIds_InErrors_AreEscapedToo_WhoeverFoundTheFault()
    {
        await using var broker = await RunningBroker.StartAsync();
        foreach (var faulty in new[] { "content-length:nonsense", "priority:nonsense" })
        {
            await using var client = await broker.ConnectAsync("1.2");

            await client.SendMessageAsync("/queue/a", "x", @"receipt:a\cb", faulty);

            var error = await client.ErrorAsync();
            Assert.Equal(("malformed frame", "a:b"), (error["message"], error["receipt-id"]));
        }
    }

    [Fact]
    public async Task Receipt_OfASend_ComesWhenItIsStored()
    {
        var (broker, store) = await RunningBroker.StartPlainAsync();
        await using var running = broker;
        await using var client = await broker.ConnectAsync("1.2");
        store.Close();
        await client.SendMessageAsync("/queue/a", "x", "receipt:r");
        await store.Reached;
        Assert.Empty(broker.Describe(client).Subscriptions);
        Assert.Equal(0, broker.Describe(client).PendingBytes);

        store.Open();

        await client.ReceiptAsync("r");
    }

    [Fact]
    public async Task Receipts_OfManySends_AllCome()
    {
        const int Count = 1_000;
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");

        await client.SendBytesAsync((byte[])[.. Enumerable.Range(0, Count).SelectMany(i => WireClient.Frame("SEND", $"{i}", $"destination:/queue/{i % 3}", $"receipt:{i}"))]);

        for (var i = 0; i < Count; i++)
        {
            Assert.Equal($"{i}", (await client.NextAsync())["receipt-id"]);
        }
    }
}
