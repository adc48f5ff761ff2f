using System.Text;
using Millrace.Stomp.Codec;
using Xunit;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>1.2: Body, Header content-length; the same in 1.1 and, for SEND, in 1.0.</summary>
public sealed class BodyTests
{
    public static TheoryData<string> Versions => FrameTests.Versions;

    [Theory]
    [MemberData(nameof(Versions))]
    public void Body_WithALength_MayHoldNuls(string version)
    {
        var frame = FrameReader.ReadOne("SEND\ncontent-length:7\n\na^@b^@^@\nc^@", FrameTests.VersionOf(version));

        Assert.Equal("a\0b\0\0\nc", frame.BodyText);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void Body_WithoutALength_EndsAtTheFirstNul(string version)
    {
        var reading = FrameReader.Read("SEND\n\nhello\n\n queue \r\n^@SEND\n\n^@", FrameTests.VersionOf(version));

        Assert.Equal(["hello\n\n queue \r\n", ""], reading.Frames.Select(frame => frame.BodyText));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void Body_ThatIsBinary_IsReadAsItIs(string version)
    {
        var body = Enumerable.Range(0, 256).Select(b => (byte)b).ToArray();
        var reading = FrameReader.Read([.. "SEND\ncontent-length:256\n\n"u8, .. body, 0], FrameTests.VersionOf(version));

        Assert.Equal(body, Assert.Single(reading.Frames).Body);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void Body_ThatDoesNotEndWhereItsLengthSays_IsAFault(string version)
    {
        foreach (var text in new[] { "SEND\nreceipt:r\ncontent-length:3\n\nbody^@", "SEND\nreceipt:r\ncontent-length:0\n\nbody^@", "SEND\nreceipt:r\ncontent-length:5\n\nbody^@SEND\n\n^@" })
        {
            var reading = FrameReader.Read(text, FrameTests.VersionOf(version));
            Assert.Equal(("malformed frame", "r"), (reading.Fault, reading.ReceiptId));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData("1.0")]
    [InlineData("0x1")]
    [InlineData("1e1")]
    [InlineData("1,000")]
    [InlineData("four")]
    [InlineData(" 4")]
    [InlineData("4 ")]
    [InlineData("\u0664")]
    public void Length_ThatIsNoNumber_IsAFault(string length)
    {
        Assert.Equal("malformed frame", FrameReader.Read($"SEND\ncontent-length:{length}\n\n", StompVersion.V11).Fault);
        Assert.Equal("malformed frame", FrameReader.Read($"SEND\ncontent-length:{length}\n\n", StompVersion.V12).Fault);
    }

    [Theory]
    [InlineData("2147483646")]
    [InlineData("2147483647")]
    [InlineData("2147483648")]
    [InlineData("4294967300")]
    [InlineData("9223372036854775807")]
    [InlineData("18446744073709551620")]
    [InlineData("99999999999999999999999999999999999999999999")]
    public void Length_BeyondAllMeasure_IsTooLarge_WhateverTheLimit(string length)
    {
        foreach (var limit in new[] { 1, 32 * 1024 * 1024, int.MaxValue })
        {
            var options = new StompOptions { MaxBodyBytes = limit, MemoryBudgetBytes = long.MaxValue };
            var reading = FrameReader.Read($"SEND\nreceipt:r\ncontent-length:{length}\n\n", StompVersion.V12, options);
            Assert.Equal(("frame too large", "r"), (reading.Fault, reading.ReceiptId));
        }
    }

    [Fact]
    public void Length_WithZeroesBefore_IsANumber()
    {
        Assert.Equal("body", FrameReader.ReadOne("SEND\ncontent-length:00000000000000000000000000004\n\nbody^@", StompVersion.V12).BodyText);
    }

    [Theory]
    [InlineData("SUBSCRIBE")]
    [InlineData("UNSUBSCRIBE")]
    [InlineData("ACK")]
    [InlineData("NACK")]
    [InlineData("BEGIN")]
    [InlineData("COMMIT")]
    [InlineData("ABORT")]
    [InlineData("DISCONNECT")]
    [InlineData("CONNECT")]
    [InlineData("RECEIPT")]
    public void OtherFrames_HaveNoBodyFrom11On_AndIn10ItIsTheirs(string command)
    {
        foreach (var version in new[] { StompVersion.V11, StompVersion.V12 })
        {
            Assert.Equal(("malformed frame", "r"), FaultOf($"{command}\nreceipt:r\n\nb", version));
            Assert.Equal(("malformed frame", "r"), FaultOf($"{command}\nreceipt:r\ncontent-length:1\n\n", version));
            Assert.Empty(FrameReader.ReadOne($"{command}\ncontent-length:0\n\n^@", version).Body);
        }

        Assert.Equal("body", FrameReader.ReadOne($"{command}\n\nbody^@", StompVersion.V10).BodyText);
        Assert.Equal("b\0dy", FrameReader.ReadOne($"{command}\ncontent-length:4\n\nb^@dy^@", StompVersion.V10).BodyText);
    }

    [Fact]
    public void Connect_OfAClientThatNamesNoVersion_MayHaveASmallBody()
    {
        Assert.Equal("\n", FrameReader.ReadOne("CONNECT\nlogin:user\n\n\n^@", StompVersion.None).BodyText);
        Assert.Equal("malformed frame", FrameReader.Read("CONNECT\naccept-version:1.0\n\n\n", StompVersion.None).Fault);
    }

    [Theory]
    [InlineData("MESSAGE")]
    [InlineData("ERROR")]
    public void MessageAndError_HaveBodies(string command) =>
        Assert.Equal("body", FrameReader.ReadOne($"{command}\ncontent-length:4\n\nbody^@", StompVersion.V12).BodyText);

    [Fact]
    public void Body_ThatIsLarge_ComesWhole()
    {
        var body = new byte[3_000_000];
        new Random(1).NextBytes(body);
        byte[] bytes = [.. Encoding.ASCII.GetBytes($"SEND\ncontent-length:{body.Length}\n\n"), .. body, 0, .. "SEND\n\nnext\0"u8];
        using var reader = new FrameReader(StompVersion.V12);
        foreach (var piece in bytes.Chunk(50_000))
        {
            reader.Take(piece);
        }

        Assert.Equal(body, reader.Reading.Frames[0].Body);
        Assert.Equal("next", reader.Reading.Frames[1].BodyText);
        Assert.Equal(0, reader.Parser.WindowBytes);
    }

    [Fact]
    public void FrameBytes_TellTheSizeOfAFrame_AsSoonAsItIsKnown()
    {
        using var parser = new StompParser(new StompOptions()) { Version = StompVersion.V12 };
        var frame = new StompFrame();
        parser.Append("SEND\ncontent-length:1000\n"u8);
        Assert.Equal(ParseStatus.Incomplete, parser.TryRead(frame));
        Assert.Equal(25, parser.FrameBytes);
        parser.Append("\nbody"u8);
        Assert.Equal(ParseStatus.Incomplete, parser.TryRead(frame));
        Assert.Equal(26 + 1000 + 1, parser.FrameBytes);
    }

    private static (string?, string?) FaultOf(string text, StompVersion version)
    {
        var reading = FrameReader.Read(text, version);
        return (reading.Fault, reading.ReceiptId);
    }
}
