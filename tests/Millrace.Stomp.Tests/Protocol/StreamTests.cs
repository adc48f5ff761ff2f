using System.Text;
using Millrace.Stomp.Security;
using Millrace.Storage;
using Millrace.Streams;
using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary><c>/stream/NAME</c>: SEND appends, SUBSCRIBE reads from where it likes.</summary>
public sealed class StreamTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Matrix.Versions), MemberType = typeof(Matrix))]
    public async Task WhatIsSent_IsAppended_AndReadFromTheFirst_WithItsPlace(string version)
    {
        await using var broker = await StartAsync(partitions: 1);
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmMessageAsync("/stream/s", "one", "x-message-key:k", "tenant:acme", "x-offset:99", "content-type:text/plain");

        var records = await RecordsAsync(broker, 0);
        Assert.Equal(("k", "one"), (Encoding.UTF8.GetString(records[0].Key.Span), Encoding.UTF8.GetString(records[0].Body.Span)));

        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/stream/s", "x-offset:first");
        var message = await client.MessageAsync();
        Assert.Equal(("one", "/stream/s", "acme", "text/plain"), (message.Text, message["destination"], message["tenant"], message["content-type"]));
        Assert.Equal(("s", "0", "0", "k", "0-0"), (message["x-stream"], message["x-partition"], message["x-offset"], message["x-message-key"], message["message-id"]));
        Assert.Single(message.Headers, header => header.Key == "x-offset");

        await client.ConfirmMessageAsync("/stream/s", "two");
        Assert.Equal("two", (await client.MessageAsync()).Text);
    }

    [Theory]
    [InlineData("first", "abc")]
    [InlineData("last", "c")]
    [InlineData("1", "bc")]
    [InlineData("2000-01-01T00:00:00Z", "abc")]
    [InlineData("next", "")]
    [InlineData(null, "")]
    public async Task Subscribe_BeginsWhereItSays(string? offset, string expected)
    {
        await using var broker = await StartAsync(partitions: 1);
        await AppendAsync(broker, 0, "a", "b", "c");
        await using var client = await broker.ConnectAsync();

        await client.ConfirmAsync("SUBSCRIBE", ["id:s", "destination:/stream/s", .. offset is null ? [] : new[] { $"x-offset:{offset.Replace(":", "\\c", StringComparison.Ordinal)}" }]);
        await client.ConfirmMessageAsync("/stream/s", "!");

        Assert.Equal(expected + "!", string.Concat(await client.TextsAsync(expected.Length + 1)));
    }

    [Fact]
    public async Task Partitions_AreChosenByKeyOrByHeader_AndMayBeReadAlone()
    {
        await using var broker = await StartAsync(partitions: 4);
        await using var client = await broker.ConnectAsync();
        await client.ConfirmMessageAsync("/stream/s", "by header", "x-partition:3");
        await client.ConfirmMessageAsync("/stream/s", "by key", "x-message-key:ada");
        var ofKey = StreamPartitioner.PartitionOf("ada"u8, 4);

        Assert.Equal("by key", Encoding.UTF8.GetString((await RecordsAsync(broker, ofKey)).Single(record => record.Key.Length > 0).Body.Span));
        Assert.Null((await RecordsAsync(broker, 3))[0].Headers?.FirstOrDefault(header => header.Key == "x-partition").Value);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/stream/s", "x-offset:first", "x-partition:3");
        Assert.Equal("by header", (await client.MessageAsync()).Text);
    }

    [Theory]
    [InlineData("client")]
    [InlineData("client-individual")]
    public async Task Acknowledgements_MakeRoomForMore(string mode)
    {
        await using var broker = await StartAsync(partitions: 1);
        await AppendAsync(broker, 0, "a", "b", "c", "d", "e");
        await using var client = await broker.ConnectAsync();
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/stream/s", "x-offset:first", $"ack:{mode}", "prefetch-count:2");

        var first = await client.MessagesAsync(2);
        Assert.Equal(2, Assert.Single(broker.Describe(client).Subscriptions).Unacknowledged);
        await client.FenceAsync();
        Assert.Empty(client.KeptMessages);

        await client.ConfirmAsync("ACK", $"id:{first[mode == "client" ? 1 : 0]["ack"]}");

        Assert.Equal(mode == "client" ? "cd" : "c", string.Concat(await client.TextsAsync(mode == "client" ? 2 : 1)));
    }

    [Theory]
    [InlineData("SUBSCRIBE", "no such stream", "id:s", "destination:/stream/other")]
    [InlineData("SEND", "no such stream", "destination:/stream/other")]
    [InlineData("SUBSCRIBE", "no such partition", "id:s", "destination:/stream/s", "x-partition:7")]
    [InlineData("SUBSCRIBE", "malformed frame", "id:s", "destination:/stream/s", "x-offset:yesterday")]
    [InlineData("SUBSCRIBE", "not supported", "id:s", "destination:/stream/s", "browser:true")]
    [InlineData("SUBSCRIBE", "offset out of range", "id:s", "destination:/stream/s", "x-offset:0")]
    [InlineData("SEND", "message refused", "destination:/stream/s", "x-partition:7")]
    [InlineData("SEND", "message refused", "destination:/stream/s", "x-delay:1000")]
    [InlineData("SEND", "invalid destination", "destination:/stream/a!b")]
    public async Task WhatCannotWork_IsAnError(string command, string expected, params string[] headers)
    {
        await using var broker = await StartAsync(partitions: 1);
        await AppendAsync(broker, 0, "a", "b");
        await (await broker.Instance.Streams.OpenPartitionAsync("s", 0, Token)).TrimAsync(1, Token);
        await using var client = await broker.ConnectAsync();

        await client.SendAsync(command, [.. headers, "receipt:r"]);

        var error = await client.ErrorAsync();
        Assert.Equal((expected, "r"), (error["message"], error["receipt-id"]));
    }

    [Theory]
    [InlineData("client")]
    [InlineData("client-individual")]
    public async Task AGroup_CommitsWhatIsAcknowledgedWithoutAGap_AndTheNextMemberGoesOnThere(string mode)
    {
        await using var broker = await StartAsync(partitions: 1);
        await AppendAsync(broker, 0, "a", "b", "c", "d");
        await using (var first = await broker.ConnectAsync())
        {
            await first.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/stream/s", "x-offset:first", "x-group:g", $"ack:{mode}");
            var messages = await first.MessagesAsync(4);
            await first.ConfirmAsync("ACK", $"id:{messages[1]["ack"]}");
            Assert.Equal(mode == "client" ? 2 : 0, (await broker.Instance.Streams.GetGroupAsync("s", "g", Token))[0].Offset);
            if (mode == "client-individual")
            {
                await first.ConfirmAsync("ACK", $"id:{messages[0]["ack"]}");
            }

            await first.ConfirmAsync("DISCONNECT");
        }

        await using var second = await broker.ConnectAsync();
        await second.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/stream/s", "x-offset:first", "x-group:g", $"ack:{mode}");

        Assert.Equal("cd", string.Concat(await second.TextsAsync(2)));
    }

    [Theory]
    [InlineData("ack:auto")]
    [InlineData("ack:client", "x-partition:0")]
    [InlineData("ack:client", "x-offset:last")]
    public async Task AGroup_ThatCannotCommitOrShare_IsAnError(params string[] headers)
    {
        await using var broker = await StartAsync(partitions: 1);
        await using var client = await broker.ConnectAsync();

        await client.SendAsync("SUBSCRIBE", ["id:s", "destination:/stream/s", "x-group:g", .. headers]);

        Assert.Equal("not supported", (await client.ErrorAsync())["message"]);
    }

    [Fact]
    public async Task Streams_TakeNoPartInTransactions()
    {
        await using var broker = await StartAsync(partitions: 1);
        await using var client = await broker.ConnectAsync();
        await client.ConfirmAsync("BEGIN", "transaction:t");

        await client.SendMessageAsync("/stream/s", "x", "transaction:t");

        Assert.Equal("not supported", (await client.ErrorAsync())["message"]);
        Assert.Empty(await RecordsAsync(broker, 0));
    }

    [Fact]
    public async Task ManySends_ArriveInOrder_AndASlowReaderLosesNothing()
    {
        const int Count = 5_000;
        await using var broker = await StartAsync(partitions: 1);
        await using var sender = await broker.ConnectAsync();
        await using var reader = await broker.ConnectSlowAsync();
        await reader.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/stream/s");
        var text = new string('x', 400);
        for (var i = 0; i < Count; i++)
        {
            await sender.SendMessageAsync("/stream/s", $"{i} {text}");
        }

        await sender.FenceAsync();
        for (var i = 0; i < Count; i++)
        {
            Assert.StartsWith($"{i} ", (await reader.MessageAsync()).Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task WithoutThePermission_NeitherIsAllowed()
    {
        var authority = new TestAuthority();
        authority.Add("reader", "x", (StompAccess.Receive, StompResource.Stream, "s"));
        await using var broker = await StartAsync(partitions: 1, new BrokerSetup { Authority = authority });
        await using var reader = await broker.ConnectAsync("1.2", "login:reader", "passcode:x");
        await reader.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/stream/s");

        await reader.SendMessageAsync("/stream/s", "x");

        Assert.Equal("access denied", (await reader.ErrorAsync())["message"]);
    }

    private static async Task<RunningBroker> StartAsync(int partitions, BrokerSetup? setup = null)
    {
        var broker = await RunningBroker.StartAsync("memory", setup);
        await broker.Instance.Streams.CreateAsync("s", new StreamSettings { Partitions = partitions }, Token);
        return broker;
    }

    private static async Task AppendAsync(RunningBroker broker, int partition, params string[] texts)
    {
        var log = await broker.Instance.Streams.OpenPartitionAsync("s", partition, Token);
        await log.AppendAsync(new AppendRequest(Array.ConvertAll(texts, text => new StreamRecord { Body = Encoding.UTF8.GetBytes(text) })), Token);
    }

    private static async Task<StreamRecord[]> RecordsAsync(RunningBroker broker, int partition)
    {
        var log = await broker.Instance.Streams.OpenPartitionAsync("s", partition, Token);
        return (await log.ReadAsync(0, 1000, int.MaxValue, Token)).Records.ToArray();
    }
}
