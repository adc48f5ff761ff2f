using System.Text;
using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>Frames over the socket: cut anywhere, with line ends between them, and damaged.</summary>
public sealed class FramingTests
{
    [Theory]
    [MemberData(nameof(Matrix.Versions), MemberType = typeof(Matrix))]
    public async Task Frames_CutAtAnyByte_AreRead(string version)
    {
        byte[] talk = [
            .. WireClient.Frame("SEND", "héllo\nwörld", "destination:/queue/a", "receipt:1"),
            .. "\n\n"u8,
            .. WireClient.Frame("SEND", "a\0b"u8, "destination:/queue/a", "content-length:3"),
            .. WireClient.Frame("SEND", "a\0b"u8, "destination:/queue/a", "content-length:3"),
            .. WireClient.Frame("BEGIN", "", "transaction:t", "receipt:2"),
            .. WireClient.Frame("ABORT", "", "transaction:t", "receipt:3")];
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync(version);
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");
        for (var cut = 1; cut < talk.Length; cut++)
        {
            await client.SendBytesAsync(talk.AsMemory(0, cut));
            await Task.Yield();
            await client.SendBytesAsync(talk.AsMemory(cut));
            await client.ReceiptAsync("3");
        }

        var messages = await client.MessagesAsync(3 * (talk.Length - 1));
        for (var i = 0; i < messages.Length; i += 3)
        {
            Assert.Equal(["héllo\nwörld", "a\0b", "a\0b"], messages[i..(i + 3)].Select(message => message.Text));
        }
    }

    [Theory]
    [MemberData(nameof(Matrix.Versions), MemberType = typeof(Matrix))]
    public async Task Frames_ByteByByte_AreRead(string version)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync(version);

        foreach (var one in WireClient.Frame("SEND", "body", "destination:/queue/a", "receipt:1"))
        {
            await client.SendBytesAsync(new[] { one });
        }

        await client.ReceiptAsync("1");
    }

    [Fact]
    public async Task CrLf_In12_EndsLines_AndIsNoPartOfValues()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.SendTextAsync("SUBSCRIBE\r\nid:s\r\ndestination:/queue/a\r\n\r\n\0\r\n\r\nSEND\r\ndestination:/queue/a\r\nx:1\r\n\r\nbody\r\n\0");

        var message = await client.MessageAsync();
        Assert.Equal(("1", "body\r\n"), (message["x"], message.Text));
    }

    [Theory]
    [InlineData("1.2", "SEND\ndestination:/queue/a\nx:\\t\n\n\0")]
    [InlineData("1.1", "SEND\ndestination:/queue/a\nx:\\r\n\n\0")]
    [InlineData("1.2", "SEND\ndestination:/queue/a\nno colon\n\n\0")]
    [InlineData("1.2", "SEND\ndestination:/queue/a\ncontent-length:2\n\nabc\0")]
    [InlineData("1.2", "SEND\ndestination:/queue/a\0")]
    [InlineData("1.2", "BEGIN\ntransaction:t\n\nbody\0")]
    [InlineData("1.1", "SUBSCRIBE\nid:1\ndestination:/queue/a\n\nbody\0")]
    public async Task Frame_IsMalformed_IsAnError_AndTheEnd(string version, string text)
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync(version);

        await client.SendTextAsync(text);

        Assert.Equal("malformed frame", (await client.ErrorAsync())["message"]);
        await broker.UntilConnectionsAsync(0);
    }

    [Fact]
    public async Task WhatCameBeforeAMalformedFrame_IsCarriedOut_AndWhatComesAfterIsNot()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await using var other = await broker.ConnectAsync("1.2");

        await client.SendBytesAsync((byte[])[
            .. WireClient.Frame("SEND", "before", "destination:/queue/a", "receipt:1"),
            .. "NONSENSE\n\n\0"u8,
            .. WireClient.Frame("SEND", "after", "destination:/queue/a", "receipt:2")]);

        await client.ReceiptAsync("1");
        Assert.Equal("unknown command", (await client.ErrorAsync())["message"]);
        await other.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a");
        await other.ConfirmMessageAsync("/queue/a", "end");
        Assert.Equal(["before", "end"], await other.TextsAsync(2));
    }

    [Theory]
    [InlineData("line")]
    [InlineData("head")]
    [InlineData("count")]
    public async Task Headers_OverALimit_AreAnError(string limit)
    {
        var options = new StompOptions { MaxHeaderBytes = 4096, MaxHeaderLineBytes = 1024, MaxHeaders = 16 };
        await using var broker = await RunningBroker.StartAsync(setup: new() { Options = options });
        await using var client = await broker.ConnectAsync("1.2");
        string[] headers = limit switch
        {
            "line" => ["x:" + new string('x', 1024)],
            "head" => [.. Enumerable.Range(0, 8).Select(i => $"x{i}:" + new string('x', 1000))],
            _ => [.. Enumerable.Range(0, 17).Select(i => $"x{i}:1")],
        };

        await client.SendMessageAsync("/queue/a", "x", headers);

        Assert.Equal("frame too large", (await client.ErrorAsync())["message"]);
    }

    [Fact]
    public async Task LineWithoutAnEnd_TakesNoMoreThanTheLimit_AndIsAnError()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");

        await client.SendBytesAsync(Encoding.UTF8.GetBytes("SEND\nx:" + new string('x', 100_000)));

        Assert.Equal("frame too large", (await client.ErrorAsync())["message"]);
    }

    [Fact]
    public async Task Error_OfAFrameOfHostileBytes_ShowsThemHarmless()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");

        await client.SendTextAsync("SEND\ndestination:/nowhere/\u001b[2Jx\n\n\0");

        var error = await client.ErrorAsync();
        await broker.UntilConnectionsAsync(0);
        Assert.DoesNotContain("\u001b", error.Text, StringComparison.Ordinal);
        Assert.All(broker.Log.Entries, entry => Assert.DoesNotContain("\u001b", entry.Whole, StringComparison.Ordinal));
    }
}
