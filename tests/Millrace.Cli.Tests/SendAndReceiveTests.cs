using Millrace.App;
using Xunit;

namespace Millrace.Cli.Tests;

public sealed class SendAndReceiveTests
{
    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    [Fact]
    public async Task AMessage_ComesOutAsItWentIn_Once()
    {
        await using var world = await CliWorld.OpenAsync();

        var sent = (await world.RunAsync("send", "orders", "{\"sku\": 7}")).Succeeded();
        var received = (await world.RunAsync("receive", "orders")).Succeeded();

        Assert.Matches("^Sent [0-9a-f-]{36} to 'orders'.\n$", sent.Output);
        Assert.Equal("{\"sku\": 7}\n", received.Output);
        Assert.Equal(ExitCodes.Nothing, (await world.RunAsync("receive", "orders")).Code);
    }

    [Fact]
    public async Task Lines_AreSentInOrder_AndAcknowledgedOneByOne()
    {
        await using var world = await CliWorld.OpenAsync();

        var sent = (await world.RunWithInputAsync("{\"n\":\"a\"}\n{\"n\":\"b\"}\n{\"n\":\"a\"}\n", "send", "q", "--id-field", "n", "--json")).Succeeded();
        var received = (await world.RunAsync("receive", "q", "--count", "10")).Succeeded();

        Assert.Equal(
            ["a stored", "b stored", "a duplicate"],
            sent.Objects.Select(item => $"{item.GetProperty("id")} {item.GetProperty("outcome")}"));
        Assert.Equal(["{\"n\":\"a\"}", "{\"n\":\"b\"}"], received.Lines);
    }

    [Fact]
    public async Task Options_ReachTheMessage()
    {
        await using var world = await CliWorld.OpenAsync();

        (await world.RunAsync(
            "send", "q", "x", "--id", "one", "--key", "k", "-p", "9", "--ttl", "1h", "-H", "a=1", "-H", "b=x=y", "--content-type", "text/x")).Succeeded();
        var message = Assert.Single((await world.RunAsync("receive", "q", "--json")).Succeeded().Objects);

        Assert.Equal("one", message.GetProperty("id").GetString());
        Assert.Equal("k", message.GetProperty("key").GetString());
        Assert.Equal(9, message.GetProperty("priority").GetInt32());
        Assert.Equal("text/x", message.GetProperty("contentType").GetString());
        Assert.Equal("{\"a\":\"1\",\"b\":\"x=y\"}", message.GetProperty("headers").GetRawText());
        var timeToLive = message.GetProperty("expiresAt").GetDateTimeOffset() - message.GetProperty("enqueuedAt").GetDateTimeOffset();
        Assert.InRange((timeToLive - TimeSpan.FromHours(1)).TotalMilliseconds, -1, 1);
        Assert.Equal(1, message.GetProperty("attempt").GetInt32());
    }

    [Fact]
    public async Task ADelayedMessage_IsScheduled()
    {
        await using var world = await CliWorld.OpenAsync();

        (await world.RunAsync("send", "q", "x", "--delay", "1h")).Succeeded();

        Assert.Equal(ExitCodes.Nothing, (await world.RunAsync("receive", "q")).Code);
        var message = Assert.Single((await world.RunAsync("browse", "q", "--state", "scheduled", "--json")).Succeeded().Objects);
        var delay = message.GetProperty("dueAt").GetDateTimeOffset() - message.GetProperty("enqueuedAt").GetDateTimeOffset();
        Assert.InRange((delay - TimeSpan.FromHours(1)).TotalMilliseconds, -1, 1);
    }

    [Fact]
    public async Task NoAck_PutsTheMessagesBack_Uncounted()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunWithInputAsync("1\n2\n3\n", "send", "q")).Succeeded();

        var looked = (await world.RunAsync("receive", "q", "--count", "2", "--no-ack")).Succeeded();
        var received = (await world.RunAsync("receive", "q", "--count", "9", "--json")).Succeeded();

        Assert.Equal(["1", "2"], looked.Lines);
        Assert.Equal(["1 1", "2 1", "3 1"], received.Objects.Select(item => $"{item.GetProperty("body")} {item.GetProperty("attempt")}"));
    }

    [Fact]
    public async Task ABodyThatIsNoText_IsBase64InJson_AndItselfOtherwise()
    {
        await using var world = await CliWorld.OpenAsync();
        await world.Queues.EnqueueAsync("q", new[] { new Envelope(new byte[] { 0xff, 0x00 }) }, default, Token);

        var message = Assert.Single((await world.RunAsync("receive", "q", "--json")).Succeeded().Objects);

        Assert.Equal("/wA=", message.GetProperty("bodyBase64").GetString());
        Assert.Equal(System.Text.Json.JsonValueKind.Null, message.GetProperty("body").ValueKind);
    }

    [Fact]
    public async Task AMalformedLine_StopsTheSending_AndWhatWasStoredBeforeIsReported()
    {
        await using var world = await CliWorld.OpenAsync();

        var result = await world.RunWithInputAsync("1\n2\n3\n4\noops\n6\n", "send", "q", "--batch", "2");

        Assert.Equal(ExitCodes.BadInput, result.Code);
        Assert.Contains("4 messages, up to line 4, had been stored before", result.Error, StringComparison.Ordinal);
        Assert.Contains("Line 5 is not JSON", result.Error, StringComparison.Ordinal);
        Assert.Equal(["1", "2", "3", "4"], (await world.RunAsync("receive", "q", "--count", "10")).Lines);
    }

    [Fact]
    public async Task AMalformedLine_TakesItsWholeBatchWithIt()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("queue", "create", "q")).Succeeded();

        (await world.RunWithInputAsync("1\noops\n", "send", "q")).Failed(ExitCodes.BadInput, "Line 2 is not JSON (at byte 1)");

        Assert.Equal(ExitCodes.Nothing, (await world.RunAsync("receive", "q")).Code);
    }

    [Fact]
    public async Task AnEmptyInput_SendsNothing()
    {
        await using var world = await CliWorld.OpenAsync();

        var sent = (await world.RunWithInputAsync("", "send", "q")).Succeeded();

        Assert.StartsWith("Sent 0 messages to 'q'", sent.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFullQueue_HasACodeOfItsOwn_AndTakesNoPartOfABatch()
    {
        await using var world = await CliWorld.OpenAsync();
        (await world.RunAsync("queue", "create", "q", "--max-length", "2")).Succeeded();

        (await world.RunWithInputAsync("1\n2\n3\n", "send", "q")).Failed(ExitCodes.QueueFull, "Queue 'q' is full");

        Assert.Equal(ExitCodes.Nothing, (await world.RunAsync("receive", "q")).Code);
    }
}
