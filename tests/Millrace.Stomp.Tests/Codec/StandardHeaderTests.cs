using System.Text;
using Millrace.Stomp.Codec;
using Xunit;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>1.2: Standard Headers (receipt, on faults too), Repeated Header Entries; and the names that this broker knows.</summary>
public sealed class StandardHeaderTests
{
    [Theory]
    [InlineData("1.0")]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public void RepeatedHeaders_TheFirstStands_AndAllAreThere(string version)
    {
        var frame = FrameReader.ReadOne("MESSAGE\nfoo:World\nfoo:Hello\ndestination:/queue/a\ndestination:/queue/b\n\n^@", FrameTests.VersionOf(version));

        Assert.Equal(("World", "/queue/a"), (frame["foo"], frame["destination"]));
        Assert.Equal([("foo", "World"), ("foo", "Hello"), ("destination", "/queue/a"), ("destination", "/queue/b")], frame.Headers);
    }

    [Fact]
    public void RepeatedLength_TheFirstStands()
    {
        Assert.Equal("body", FrameReader.ReadOne("SEND\ncontent-length:4\ncontent-length:2\n\nbody^@", StompVersion.V12).BodyText);
        Assert.Equal("body", FrameReader.ReadOne("SEND\ncontent-length:4\ncontent-length:none\n\nbody^@", StompVersion.V12).BodyText);
        Assert.Equal("malformed frame", FrameReader.Read("SEND\ncontent-length:2\ncontent-length:4\n\nbody^@", StompVersion.V12).Fault);
    }

    [Fact]
    public void TwoNamesOfOneMeaning_TheFirstStands()
    {
        using var parser = new StompParser(new StompOptions()) { Version = StompVersion.V12 };
        var frame = new StompFrame();
        parser.Append("SEND\nAMQ_SCHEDULED_DELAY:5\nx-delay:7\n\n\0"u8);

        Assert.Equal(ParseStatus.Frame, parser.TryRead(frame));
        Assert.Equal("5", frame.Get(KnownHeader.Delay));
        Assert.False(frame.IsRepeatedKnown(0));
        Assert.True(frame.IsRepeatedKnown(1));
    }

    [Fact]
    public void KnownHeader_BehindHundredsOfOthers_IsFound()
    {
        var others = string.Concat(Enumerable.Range(0, 9_998).Select(i => $"x{i}:\n"));
        var options = new StompOptions { MaxHeaders = 10_000, MaxHeaderBytes = 1024 * 1024 };
        var frame = FrameReader.ReadOne($"SEND\n{others}content-length:3\nreceipt:r\n\na^@b^@", StompVersion.V12, options);

        Assert.Equal("a\0b", frame.BodyText);
        Assert.Equal(10_000, frame.Headers.Count);
    }

    [Theory]
    [InlineData("content-length", nameof(KnownHeader.ContentLength))]
    [InlineData("content-type", nameof(KnownHeader.ContentType))]
    [InlineData("receipt", nameof(KnownHeader.Receipt))]
    [InlineData("accept-version", nameof(KnownHeader.AcceptVersion))]
    [InlineData("host", nameof(KnownHeader.Host))]
    [InlineData("login", nameof(KnownHeader.Login))]
    [InlineData("passcode", nameof(KnownHeader.Passcode))]
    [InlineData("heart-beat", nameof(KnownHeader.HeartBeat))]
    [InlineData("destination", nameof(KnownHeader.Destination))]
    [InlineData("transaction", nameof(KnownHeader.Transaction))]
    [InlineData("id", nameof(KnownHeader.Id))]
    [InlineData("ack", nameof(KnownHeader.Ack))]
    [InlineData("selector", nameof(KnownHeader.Selector))]
    [InlineData("subscription", nameof(KnownHeader.Subscription))]
    [InlineData("message-id", nameof(KnownHeader.MessageId))]
    [InlineData("client-id", nameof(KnownHeader.ClientId))]
    [InlineData("durable", nameof(KnownHeader.Durable))]
    [InlineData("x-durable-group", nameof(KnownHeader.DurableGroup))]
    [InlineData("browser", nameof(KnownHeader.Browser))]
    [InlineData("reply-to", nameof(KnownHeader.ReplyTo))]
    [InlineData("priority", nameof(KnownHeader.Priority))]
    [InlineData("expires", nameof(KnownHeader.Expires))]
    [InlineData("persistent", nameof(KnownHeader.Persistent))]
    [InlineData("redelivered", nameof(KnownHeader.Redelivered))]
    [InlineData("requeue", nameof(KnownHeader.Requeue))]
    [InlineData("prefetch-count", nameof(KnownHeader.Prefetch))]
    [InlineData("activemq.prefetchSize", nameof(KnownHeader.Prefetch))]
    [InlineData("AMQ_SCHEDULED_DELAY", nameof(KnownHeader.Delay))]
    [InlineData("x-delay", nameof(KnownHeader.Delay))]
    [InlineData("x-message-ttl", nameof(KnownHeader.TimeToLive))]
    [InlineData("x-message-key", nameof(KnownHeader.MessageKey))]
    [InlineData("JMSXGroupID", nameof(KnownHeader.MessageKey))]
    [InlineData("x-message-id", nameof(KnownHeader.SenderId))]
    [InlineData("_AMQ_DUPL_ID", nameof(KnownHeader.SenderId))]
    public void Name_OfAKnownHeader_IsFound_AndNoOtherLikeIt(string name, string known)
    {
        Assert.Equal(Enum.Parse<KnownHeader>(known), KnownHeaders.Find(Encoding.ASCII.GetBytes(name)));
        Assert.Equal(KnownHeader.None, KnownHeaders.Find(Encoding.ASCII.GetBytes(name + "x")));
        Assert.Equal(KnownHeader.None, KnownHeaders.Find(Encoding.ASCII.GetBytes(name[..^1])));
        Assert.Equal(KnownHeader.None, KnownHeaders.Find(Encoding.ASCII.GetBytes($"{name[..^1]}?")));
    }

    [Theory]
    [InlineData("1.0", "SEND\nreceipt: m-1 \nno colon\n\n^@", "m-1")]
    [InlineData("1.1", "SEND\nreceipt:m\\c1\nno colon\n\n^@", "m\\c1")]
    [InlineData("1.2", "SEND\nreceipt:m-1\r\nno colon\n\n^@", "m-1")]
    [InlineData("1.2", "SEND\nreceipt:m-1\nreceipt:m-2\nno colon\n\n^@", "m-1")]
    [InlineData("1.2", "SEND\nreceipt:\nno colon\n\n^@", "")]
    [InlineData("1.2", "SEND\nno colon\nreceipt:m-1\n\n^@", null)]
    [InlineData("1.2", "SEND\nreceipt:m-1\n\n^@SEND\nno colon\n", null)]
    [InlineData("1.2", "SEND\nreceipt:m-1\n\n^@NONSENSE\n", null)]
    [InlineData("1.2", "ACK\nreceipt:m-1\n\nbody^@", "m-1")]
    public void Fault_CarriesTheReceiptOfItsFrame_IfItWasSeen(string version, string text, string? receipt)
    {
        var reading = FrameReader.Read(text, FrameTests.VersionOf(version));

        Assert.Equal((ParseStatus.Fault, receipt), (reading.Status, reading.ReceiptId));
    }

    [Fact]
    public void Fault_InALaterPiece_CarriesTheReceiptAfterTheWindowMoved()
    {
        var first = "SEND\n\nfirst\0"u8.ToArray();
        var second = "SEND\nreceipt:m-1\ncontent-length:5000\n\n"u8.ToArray();
        using var reader = new FrameReader(StompVersion.V12);
        reader.Take([.. first, .. second]);
        reader.Take(new byte[2_000]);
        reader.Take(Enumerable.Repeat((byte)'x', 3_100).ToArray());

        Assert.Equal(("malformed frame", "m-1"), (reader.Reading.Fault, reader.Reading.ReceiptId));
    }
}
