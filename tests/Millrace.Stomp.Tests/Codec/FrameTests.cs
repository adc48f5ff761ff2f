using Millrace.Stomp.Codec;
using Xunit;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>1.0: introduction and grammar; 1.1, 1.2: STOMP Frames; Connecting; Heart-beating.</summary>
public sealed class FrameTests
{
    public static TheoryData<string> Versions => ["1.0", "1.1", "1.2"];

    [Theory]
    [MemberData(nameof(Versions))]
    public void Frame_OfCommandHeadersAndBody_IsRead(string version)
    {
        var frame = FrameReader.ReadOne("SEND\nheader1:value1\nheader2:value2\n\nBody^@", VersionOf(version));

        Assert.Equal(StompCommand.Send, frame.Command);
        Assert.Equal([("header1", "value1"), ("header2", "value2")], frame.Headers);
        Assert.Equal("Body", frame.BodyText);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void Frame_WithoutHeadersAndBody_IsRead(string version)
    {
        var frame = FrameReader.ReadOne("DISCONNECT\n\n^@", VersionOf(version));

        Assert.Equal(new ReadFrame(StompCommand.Disconnect, [], []), frame);
    }

    [Fact]
    public void EveryCommand_IsKnownByItsName()
    {
        foreach (var command in Enum.GetValues<StompCommand>().Where(command => command != StompCommand.Unknown))
        {
            var text = command.ToString().ToUpperInvariant();
            Assert.Equal(command, FrameReader.ReadOne($"{text}\n\n^@", StompVersion.V12).Command);
            Assert.Equal(text, System.Text.Encoding.ASCII.GetString(StompCommands.BytesOf(command)));
            Assert.Equal(text, StompCommands.TextOf(command));
        }
    }

    [Theory]
    [InlineData("send\n\n^@")]
    [InlineData("Send\n\n^@")]
    [InlineData("SENDS\n\n^@")]
    [InlineData("SEN\n\n^@")]
    [InlineData(" SEND\n\n^@")]
    [InlineData("SEND \n\n^@")]
    [InlineData("SEND:\n\n^@")]
    [InlineData("^@")]
    [InlineData("GET / HTTP/1.1\r\n")]
    [InlineData("\rSEND\n\n^@")]
    [InlineData("UNSUBSCRIBED\n\n^@")]
    [InlineData("UNSUBSCRIBER:")]
    public void Command_ThatDoesNotExist_IsAFault(string text)
    {
        foreach (var version in Enum.GetValues<StompVersion>())
        {
            var reading = FrameReader.Read(text, version);
            Assert.Equal(("unknown command", ParseStatus.Fault), (reading.Fault, reading.Status));
        }
    }

    [Fact]
    public void Command_ThatCannotExistAnyMore_IsAFaultBeforeItsLineEnds()
    {
        Assert.Equal(ParseStatus.Incomplete, FrameReader.Read("UNSUBSCRIBE\r", StompVersion.V12).Status);
        Assert.Equal(ParseStatus.Incomplete, FrameReader.Read("xxxxxxxxxxxx", StompVersion.V12).Status);
        Assert.Equal("unknown command", FrameReader.Read("xxxxxxxxxxxxx", StompVersion.V12).Fault);
    }

    [Theory]
    [InlineData("SEND^@")]
    [InlineData("SEND\n^@")]
    [InlineData("SEND\r^@")]
    [InlineData("SEND\ndestination:/queue/a^@")]
    [InlineData("SEND\ndestination:/queue/a\n^@")]
    [InlineData("SEND\ndestination:/queue/^@a\n\n^@")]
    [InlineData("SEND\ndesti^@nation:/queue/a\n\n^@")]
    public void Nul_BeforeTheBlankLine_IsAFault(string text) => Assert.Equal("malformed frame", FrameReader.Read(text, StompVersion.V12).Fault);

    [Theory]
    [InlineData("SEND\nno colon\n\n^@", "no colon")]
    [InlineData("SEND\n:value\n\n^@", "no name")]
    [InlineData("SEND\n:\n\n^@", "no name")]
    public void HeaderLine_WithoutColonOrName_IsAFault(string text, string detail)
    {
        foreach (var version in new[] { StompVersion.V10, StompVersion.V11, StompVersion.V12 })
        {
            using var reader = new FrameReader(version);
            reader.Take(FrameReader.BytesOf(text));

            Assert.Equal("malformed frame", reader.Reading.Fault);
            Assert.Contains(detail, reader.FaultDetail);
        }
    }

    [Fact]
    public void HeaderLine_OfAConnectThatIsMalformed_IsNotShown()
    {
        using var reader = new FrameReader(StompVersion.None);
        reader.Take("CONNECT\npasscode secret\n\n\0"u8);

        Assert.Equal("Header line 1 of the CONNECT frame has no colon.", reader.FaultDetail);
    }

    [Fact]
    public void Fault_ShowsNothingThatMovesACursor_AndNotMuch()
    {
        using var reader = new FrameReader(StompVersion.V12);
        reader.Take(FrameReader.BytesOf($"SEND\n\u001b[2J{new string('x', 200)}\n\n^@"));

        Assert.Equal($"Header line 1 of the SEND frame has no colon: '\uFFFD[2J{new string('x', 36)}'.", reader.FaultDetail);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void HeaderNames_AreCaseSensitive(string version)
    {
        var frame = FrameReader.ReadOne("SEND\nContent-Length:1\nDESTINATION:a\ndestination:b\n\nbody^@", VersionOf(version));

        Assert.Equal(("b", "a", "body"), (frame["destination"], frame["DESTINATION"], frame.BodyText));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void LineEnds_BetweenFrames_AreSkipped(string version)
    {
        var reading = FrameReader.Read("\n\r\n\nSEND\n\na^@\n\n\r\nSEND\n\nb^@SEND\n\nc^@\n", VersionOf(version));

        Assert.Equal(["a", "b", "c"], reading.Frames.Select(frame => frame.BodyText));
        Assert.Equal(ParseStatus.Incomplete, reading.Status);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void HeartBeats_LeaveNothingInTheWindow_AndBeginNoFrame(string version)
    {
        using var reader = new FrameReader(VersionOf(version));
        foreach (var beat in new[] { "\n", "\n\n\n", "\r\n", "\r", "\n" })
        {
            reader.Take(FrameReader.BytesOf(beat));
            Assert.False(reader.Parser.IsInFrame);
            Assert.Equal(beat == "\r" ? 1 : 0, reader.Parser.Buffered);
        }

        Assert.Equal(0, reader.Parser.WindowBytes);
        reader.Take("SEN"u8);
        Assert.True(reader.Parser.IsInFrame);
        reader.Take("D\n\n\0"u8);
        Assert.False(reader.Parser.IsInFrame);
        Assert.Single(reader.Reading.Frames);
    }

    [Theory]
    [InlineData("CONNECT")]
    [InlineData("STOMP")]
    public void FirstFrame_ThatConnects_IsReadBeforeAVersionIsAgreedOn(string command)
    {
        var frame = FrameReader.ReadOne($"{command}\naccept-version:1.0,1.1,2.0\nhost:stomp.github.org\n\n^@", StompVersion.None);

        Assert.Equal("1.0,1.1,2.0", frame["accept-version"]);
    }

    [Fact]
    public void FirstFrame_ThatDoesNotConnect_IsAFaultAtItsBlankLine()
    {
        foreach (var command in Enum.GetNames<StompCommand>().Except(["Unknown", "Connect", "Stomp"]))
        {
            var reading = FrameReader.Read($"{command.ToUpperInvariant()}\nreceipt:r\n\n", StompVersion.None);
            Assert.Equal(("not connected", "r"), (reading.Fault, reading.ReceiptId));
        }
    }

    [Fact]
    public void Fault_IsTheEnd()
    {
        using var parser = new StompParser(new StompOptions()) { Version = StompVersion.V12 };
        var frame = new StompFrame();
        parser.Append("SEND\n\na\0NONSENSE\n\n\0SEND\n\nb\0"u8);

        Assert.Equal(ParseStatus.Frame, parser.TryRead(frame));
        Assert.Equal(ParseStatus.Fault, parser.TryRead(frame));
        var fault = parser.Fault;
        parser.Compact();
        parser.Append("SEND\n\nc\0"u8);
        Assert.Equal(ParseStatus.Fault, parser.TryRead(frame));
        Assert.Same(fault, parser.Fault);
    }

    internal static StompVersion VersionOf(string version) => StompVersions.Negotiate(version);
}
