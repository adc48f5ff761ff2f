using System.Text;
using Millrace.Storage;
using Millrace.Testing;
using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>SEND: bodies, and the headers that mean something.</summary>
public sealed class SendingTests
{
    [Theory]
    [MemberData(nameof(Matrix.StoresAndVersions), MemberType = typeof(Matrix))]
    public async Task Bodies_OfAnySize_ArriveAsTheyWere(string store, string version)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");
        foreach (var size in new[] { 0, 1, 1023, 1024, 1025, 65_535, 65_536, 65_537, 1_500_000 })
        {
            var body = new byte[size];
            new Random(size).NextBytes(body);
            await client.SendBytesAsync(WireClient.Frame("SEND", body, "destination:/queue/a", $"content-length:{size}", "content-type:application/octet-stream"));

            var message = await client.MessageAsync();

            Assert.Equal(body, message.Body);
            Assert.Equal($"{size}", message["content-length"]);
            Assert.Equal("application/octet-stream", message["content-type"]);
        }
    }

    [Theory]
    [MemberData(nameof(Matrix.Versions), MemberType = typeof(Matrix))]
    public async Task Body_WithNulsAndALength_ArrivesWhole(string version)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");

        await client.SendBytesAsync(WireClient.Frame("SEND", "\0\0a\n\0"u8, "destination:/queue/a", "content-length:5"));

        Assert.Equal("\0\0a\n\0"u8.ToArray(), (await client.MessageAsync()).Body);
    }

    [Theory]
    [MemberData(nameof(Matrix.Versions), MemberType = typeof(Matrix))]
    public async Task Body_WithoutALength_EndsAtTheFirstNul(string version)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");

        await client.SendTextAsync("SEND\ndestination:/queue/a\n\nfirst\0\nSEND\ndestination:/queue/a\n\nsecond\0");

        Assert.Equal(["first", "second"], await client.TextsAsync(2));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Body_OneByteOverTheLimit_IsAnError(bool hasLength)
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { Options = new() { MaxBodyBytes = 100_000 } });
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmMessageAsync("/queue/a", new string('x', 100_000));

        await client.SendMessageAsync("/queue/a", new string('x', 100_001), hasLength ? ["content-length:100001", "receipt:r"] : ["receipt:r"]);

        var error = await client.ErrorAsync();
        Assert.Equal(("frame too large", "r"), (error["message"], error["receipt-id"]));
        Assert.Contains("100,000", error.Text, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Matrix.Versions), MemberType = typeof(Matrix))]
    public async Task Send_WithoutADestination_IsAnError(string version)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync(version);

        await client.SendAsync("SEND", "receipt:r");

        var error = await client.ErrorAsync();
        Assert.Equal(("malformed frame", "r"), (error["message"], error["receipt-id"]));
    }

    [Theory]
    [InlineData("orders")]
    [InlineData("/queue/")]
    [InlineData("/exchange/a/b")]
    [InlineData("/amq/queue/a")]
    [InlineData("/stream/")]
    [InlineData("/dead/a")]
    [InlineData("/temp-queue/a")]
    [InlineData("/queue/a!dead")]
    [InlineData("/Queue/a")]
    public async Task Send_ToNoDestination_IsAnError(string destination)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");

        await client.SendMessageAsync(destination, "x", "receipt:r");

        var error = await client.ErrorAsync();
        Assert.Equal(("invalid destination", "r"), (error["message"], error["receipt-id"]));
    }

    [Theory]
    [InlineData("1.0", "1.0")]
    [InlineData("1.0", "1.1")]
    [InlineData("1.0", "1.2")]
    [InlineData("1.1", "1.0")]
    [InlineData("1.1", "1.1")]
    [InlineData("1.1", "1.2")]
    [InlineData("1.2", "1.0")]
    [InlineData("1.2", "1.1")]
    [InlineData("1.2", "1.2")]
    public async Task UnknownHeaders_PassUnchanged_FromVersionToVersion(string from, string to)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var sender = await broker.ConnectAsync(from);
        await using var receiver = await broker.ConnectAsync(to);
        await receiver.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");
        var isEscaped = from != "1.0";

        // A colon within a value need not be escaped by anybody who splits at the first one.
        await sender.SendAsync(
            "SEND",
            "destination:/queue/a",
            isEscaped ? @"x\cname:1\c2\\3" : @"x-plain:1:2\3",
            isEscaped ? @"line:a\nb" : "line:a",
            "correlation-id:42",
            "empty:",
            "ünïcode:größe €");

        var message = await receiver.MessageAsync();
        Assert.Equal("42", message["correlation-id"]);
        Assert.Equal("", message["empty"]);
        Assert.Equal("größe €", message["ünïcode"]);
        if (!isEscaped)
        {
            Assert.Equal(@"1:2\3", message["x-plain"]);
        }
        else if (to != "1.0")
        {
            Assert.Equal(@"1:2\3", message["x:name"]);
            Assert.Equal("a\nb", message["line"]);
        }
        else
        {
            // 1.0 cannot write a line end, and cannot tell a colon of a name from the one that ends it.
            Assert.Equal("a b", message["line"]);
        }
    }

    [Fact]
    public async Task CarriageReturn_EscapedBy12_ArrivesIn11AsItIs()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var sender = await broker.ConnectAsync("1.2");
        await using var receiver = await broker.ConnectAsync("1.1");
        await receiver.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");

        await sender.SendAsync("SEND", "destination:/queue/a", @"x:a\rb");

        Assert.Equal("a\rb", (await receiver.MessageAsync())["x"]);
    }

    [Theory]
    [MemberData(nameof(Matrix.Versions), MemberType = typeof(Matrix))]
    public async Task RepeatedHeaders_TheFirstStands(string version)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "destination:/queue/b");

        await client.SendMessageAsync("/queue/a", "x", "foo:first", "foo:second", "destination:/queue/b", "priority:7", "priority:1");

        var message = await client.MessageAsync();
        Assert.Equal("first", message["foo"]);
        Assert.Single(message.Headers, header => header.Key == "foo");
        Assert.Equal("7", message["priority"]);
    }

    [Fact]
    public async Task HeadersOfTheBroker_ASenderCannotForge()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");

        await client.SendMessageAsync("/queue/a", "x", "subscription:other", "message-id:mine", "redelivered:true", "ack:1", "millrace-topic:t");

        var message = await client.MessageAsync();
        Assert.Equal("s", message["subscription"]);
        Assert.NotEqual("mine", message["message-id"]);
        Assert.Null(message["redelivered"]);
        Assert.Null(message["ack"]);
        Assert.Single(message.Headers, header => header.Key == "message-id");
    }

    [Theory]
    [MemberData(nameof(Matrix.Stores), MemberType = typeof(Matrix))]
    public async Task Priority_HigherOnesComeFirst_AndAreClamped(string store)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync("1.2");
        foreach (var priority in new[] { "4", "0", "9", "300", "5" })
        {
            await client.ConfirmMessageAsync("/queue/a", priority, $"priority:{priority}");
        }

        await client.ConfirmMessageAsync("/queue/a", "none");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");

        var messages = await client.MessagesAsync(6);
        Assert.Equal(["9", "300", "5", "4", "none", "0"], messages.Select(message => message.Text));
        Assert.Equal("9", messages[1]["priority"]);
    }

    [Theory]
    [InlineData("priority:high")]
    [InlineData("priority:-1")]
    [InlineData("expires:tomorrow")]
    [InlineData("x-message-ttl:1.5")]
    [InlineData("x-delay:-5")]
    [InlineData("AMQ_SCHEDULED_DELAY:99999999999999999999")]
    [InlineData("x-delay:9223372036854775807")]
    public async Task Headers_WithValuesThatCannotBe_AreErrors(string header)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");

        await client.SendMessageAsync("/queue/a", "x", header, "receipt:r");

        var error = await client.ErrorAsync();
        Assert.Equal(("malformed frame", "r"), (error["message"], error["receipt-id"]));
    }

    [Theory]
    [InlineData("memory", "x-delay")]
    [InlineData("memory", "AMQ_SCHEDULED_DELAY")]
    [InlineData("sqlite", "x-delay")]
    public async Task Delay_ComesWhenItIsDue(string store, string header)
    {
        var clock = new ManualTimeProvider();
        await using var broker = await RunningBroker.StartAsync(store, new() { Clock = clock });
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");
        await client.ConfirmMessageAsync("/queue/a", "later", $"{header}:5000", "priority:9");
        await client.ConfirmMessageAsync("/queue/a", "now");

        Assert.Equal("now", (await client.MessageAsync()).Text);
        clock.Advance(TimeSpan.FromSeconds(5));

        Assert.Equal("later", (await client.MessageAsync()).Text);
    }

    [Theory]
    [InlineData("memory", "x-message-ttl:5000")]
    [InlineData("memory", "expires:1893456005000")]
    [InlineData("sqlite", "x-message-ttl:5000")]
    [InlineData("sqlite", "expires:1893456005000")]
    public async Task Expiry_NothingComesAfterIt_AndBeforeItIsTold(string store, string header)
    {
        // The clock stands at 2030-01-01T00:00:00Z, which is 1,893,456,000,000 ms.
        var clock = new ManualTimeProvider();
        await using var broker = await RunningBroker.StartAsync(store, new() { Clock = clock });
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmMessageAsync("/queue/a", "first", header);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");
        var first = await client.MessageAsync();
        await client.ConfirmAsync("UNSUBSCRIBE", "id:s");
        await client.ConfirmMessageAsync("/queue/a", "dies", header);
        await client.ConfirmMessageAsync("/queue/a", "stays", "expires:0");

        clock.Advance(TimeSpan.FromSeconds(6));
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");

        Assert.Equal("1893456005000", first["expires"]);
        var second = await client.MessageAsync();
        Assert.Equal("stays", second.Text);
        Assert.Null(second["expires"]);
    }

    [Theory]
    [MemberData(nameof(Matrix.Stores), MemberType = typeof(Matrix))]
    public async Task Expires_InThePast_IsNotDelivered(string store)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "prefetch-count:1", "ack:client");
        await client.ConfirmMessageAsync("/queue/a", "blocks");
        var blocks = await client.MessageAsync();
        await client.ConfirmMessageAsync("/queue/a", "dead on arrival", "expires:1000");
        await client.ConfirmMessageAsync("/queue/a", "lives");

        await client.SendAsync("ACK", $"id:{blocks["ack"]}");

        Assert.Equal("lives", (await client.MessageAsync()).Text);
    }

    [Theory]
    [InlineData("memory", "x-message-id")]
    [InlineData("memory", "_AMQ_DUPL_ID")]
    [InlineData("sqlite", "x-message-id")]
    public async Task MessageId_OfTheSender_IsStoredOnce(string store, string header)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");
        await client.ConfirmMessageAsync("/queue/a", "one", $@"{header}:order\c1");
        await client.ConfirmMessageAsync("/queue/a", "again", $@"{header}:order\c1");
        await client.ConfirmMessageAsync("/queue/a", "two", $@"{header}:order\c2");

        var messages = await client.MessagesAsync(2);
        Assert.Equal(["one", "two"], messages.Select(message => message.Text));
        Assert.Equal(["order:1", "order:2"], messages.Select(message => message["message-id"]));
        Assert.Equal("order:1", messages[0][header]);
    }

    [Fact]
    public async Task MessageId_OfTheSender_IsAcknowledgedInEachVersion()
    {
        await using var broker = await RunningBroker.StartAsync();
        foreach (var version in new[] { "1.0", "1.1", "1.2" })
        {
            await using var client = await broker.ConnectAsync(version);
            await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client");
            await client.ConfirmMessageAsync("/queue/a", "x", $"x-message-id:my id {version}");

            await client.ConfirmAsync("ACK", AcknowledgingTests.NamesOf(client, await client.MessageAsync()));

            Assert.Equal(0, broker.Describe(client).Subscriptions[0].Unacknowledged);
            await client.ConfirmAsync("DISCONNECT");
        }
    }

    [Theory]
    [InlineData("memory", "x-message-key")]
    [InlineData("memory", "JMSXGroupID")]
    [InlineData("sqlite", "x-message-key")]
    public async Task Key_OneAtATime_InOrder_AndTheOthersGoOn(string store, string header)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client-individual");
        await client.ConfirmMessageAsync("/queue/a", "a1", $"{header}:a");
        await client.ConfirmMessageAsync("/queue/a", "a2", $"{header}:a");
        await client.ConfirmMessageAsync("/queue/a", "b1", $"{header}:b");

        var messages = await client.MessagesAsync(2);
        Assert.Equal(["a1", "b1"], messages.Select(message => message.Text));
        Assert.Equal("a", messages[0][header]);
        await client.SendAsync("ACK", $"id:{messages[0]["ack"]}");
        Assert.Equal("a2", (await client.MessageAsync()).Text);
    }

    [Theory]
    [InlineData("persistent:true", "true", MessageDurability.Default)]
    [InlineData("persistent:false", "false", MessageDurability.None)]
    [InlineData("x:1", null, MessageDurability.Default)]
    public async Task Persistent_FalseWaivesDurability_AndPassesOn(string header, string? passed, MessageDurability durability)
    {
        var (broker, store) = await RunningBroker.StartPlainAsync();
        await using var running = broker;
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");

        await client.ConfirmMessageAsync("/queue/a", "x", header);

        Assert.Equal(passed, (await client.MessageAsync())["persistent"]);
        Assert.Equal(durability, store.LastDurability);
    }

    [Theory]
    [MemberData(nameof(Matrix.StoresAndVersions), MemberType = typeof(Matrix))]
    public async Task ManySends_InOnePiece_KeepTheirOrder(string store, string version)
    {
        const int Count = 2_000;
        await using var broker = await RunningBroker.StartAsync(store);
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");

        await client.SendBytesAsync((byte[])[.. Enumerable.Range(0, Count).SelectMany(i => WireClient.Frame("SEND", $"{i}", "destination:/queue/a"))]);

        Assert.Equal(Enumerable.Range(0, Count).Select(i => $"{i}"), await client.TextsAsync(Count));
        await client.FenceAsync();
        Assert.Equal(Count, broker.Describe(client).MessagesSent);
        Assert.Equal(Count, broker.Describe(client).MessagesDelivered);
        Assert.Equal(Count, broker.Broker.Counters.MessagesSent);
        Assert.Equal(Count, broker.Broker.Counters.MessagesDelivered);
    }

    [Fact]
    public async Task ManyDestinations_InOnePiece_EachGetsItsOwn()
    {
        const int Count = 600;
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");

        await client.SendBytesAsync((byte[])[.. Enumerable.Range(0, Count).SelectMany(i => WireClient.Frame("SEND", $"{i}", $"destination:/queue/q{i}"))]);
        await client.FenceAsync();

        for (var i = 0; i < Count; i++)
        {
            var page = await broker.Admin.BrowseAsync($"q{i}", new BrowseQuery(), TestContext.Current.CancellationToken);
            Assert.Equal($"{i}", Encoding.UTF8.GetString(Assert.Single(page.Messages).Message.Body.Span));
        }
    }

    [Fact]
    public async Task QueueIsFull_IsAnErrorWithTheReceiptOfThatMessage_AndThoseBeforeItAreConfirmed()
    {
        await using var broker = await RunningBroker.StartAsync();
        await broker.Admin.CreateQueueAsync("a", new QueueSettings { MaxLength = 2 }, TestContext.Current.CancellationToken);
        await using var client = await broker.ConnectAsync("1.2");

        await client.SendBytesAsync((byte[])[
            .. WireClient.Frame("SEND", "1", "destination:/queue/a", "receipt:1"),
            .. WireClient.Frame("SEND", "2", "destination:/queue/a", "receipt:2"),
            .. WireClient.Frame("SEND", "3", "destination:/queue/a", "receipt:3"),
            .. WireClient.Frame("SEND", "4", "destination:/queue/a", "receipt:4"),
            .. WireClient.Frame("SUBSCRIBE", "", "destination:/queue/b", "id:s", "receipt:5")]);

        await client.ReceiptAsync("1");
        await client.ReceiptAsync("2");
        var error = await client.ErrorAsync();
        Assert.Equal(("queue full", "3"), (error["message"], error["receipt-id"]));
        Assert.Equal(2, (await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken)).Ready);
    }

    [Fact]
    public async Task QueueIsFull_WithoutAReceipt_TheErrorHasNoReceiptOfAnother()
    {
        await using var broker = await RunningBroker.StartAsync();
        await broker.Admin.CreateQueueAsync("a", new QueueSettings { MaxLength = 1 }, TestContext.Current.CancellationToken);
        await using var client = await broker.ConnectAsync("1.2");

        await client.SendBytesAsync((byte[])[
            .. WireClient.Frame("SEND", "1", "destination:/queue/a"),
            .. WireClient.Frame("SEND", "2", "destination:/queue/a"),
            .. WireClient.Frame("SUBSCRIBE", "", "destination:/queue/b", "id:s", "receipt:5")]);

        var error = await client.ErrorAsync();
        Assert.Equal(("queue full", null), (error["message"], error["receipt-id"]));
    }
}
