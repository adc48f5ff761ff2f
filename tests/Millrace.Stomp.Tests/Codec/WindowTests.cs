using System.Text;
using Millrace.Stomp.Codec;
using Xunit;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>The parser takes no more memory than its frames need, and none for a frame that is like others.</summary>
public sealed class WindowTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(1_000)]
    [InlineData(16_384)]
    public void SteadyStream_AllocatesNothing(int pieceBytes)
    {
        var bytes = FrameReader.BytesOf(string.Concat(Enumerable.Range(0, 200).Select(i =>
            $"SEND\ndestination:/queue/a\n\nsame^@SEND\ndestination:/queue/a\n\nsame^@SEND\ndestination:/queue/a\nreceipt:{i}\nurl:http\\c//a\ncontent-length:4\n\nbody^@ACK\nid:{i}\n\n^@\n")));
        using var parser = new StompParser(new StompOptions()) { Version = StompVersion.V12 };
        var frame = new StompFrame();
        ReadAll(parser, frame, bytes, pieceBytes);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var frames = 0;
        for (var i = 0; i < 10; i++)
        {
            frames += ReadAll(parser, frame, bytes, pieceBytes);
        }

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(8_000, frames);

        // The pool may drop an array that it was given back, and make it again.
        Assert.True(allocated < 200_000, $"{allocated} bytes for {frames} frames");
    }

    [Fact]
    public void ADeclaredLength_TakesNoMemory_BeforeTheBytesCome()
    {
        using var parser = new StompParser(new StompOptions()) { Version = StompVersion.V12 };
        var frame = new StompFrame();
        parser.Append("SEND\ncontent-length:33554432\n\n"u8);
        Assert.Equal(ParseStatus.Incomplete, parser.TryRead(frame));
        for (var received = 0; received < 1_000_000; received += 10_000)
        {
            parser.Append(new byte[10_000]);
            Assert.Equal(ParseStatus.Incomplete, parser.TryRead(frame));
            Assert.True(parser.WindowBytes <= Math.Max(4 * parser.Buffered, 32_768), $"{parser.WindowBytes} bytes for {parser.Buffered}");
        }
    }

    [Fact]
    public void ALargeFrame_DoesNotLeaveItsWindowToTheNext()
    {
        using var reader = new FrameReader(StompVersion.V12);
        reader.Take([.. Encoding.ASCII.GetBytes("SEND\ncontent-length:4000000\n\n"), .. new byte[4_000_001], .. "SEND\n\nne"u8]);
        Assert.True(reader.Parser.WindowBytes <= 1_024, $"{reader.Parser.WindowBytes} bytes for {reader.Parser.Buffered}");

        reader.Take("xt\0"u8);
        Assert.Equal("next", reader.Reading.Frames[1].BodyText);
        Assert.Equal(0, reader.Parser.WindowBytes);
    }

    [Fact]
    public void Dispose_GivesTheWindowBack_InTheMiddleOfAFrame()
    {
        var parser = new StompParser(new StompOptions()) { Version = StompVersion.V12 };
        parser.Append("SEND\ncontent-length:100\n\nhalf"u8);
        parser.TryRead(new StompFrame());
        parser.Dispose();

        Assert.Equal((0, 0), (parser.WindowBytes, parser.Buffered));
        parser.Dispose();
    }

    private static int ReadAll(StompParser parser, StompFrame frame, byte[] bytes, int pieceBytes)
    {
        var frames = 0;
        for (var at = 0; at < bytes.Length; at += pieceBytes)
        {
            parser.Append(bytes.AsSpan(at, Math.Min(pieceBytes, bytes.Length - at)));
            while (parser.TryRead(frame) == ParseStatus.Frame)
            {
                frames++;
            }

            parser.Compact();
        }

        return frames;
    }
}
