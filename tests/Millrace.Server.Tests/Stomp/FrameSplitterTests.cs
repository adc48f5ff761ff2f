using System.Text;
using Millrace.Server.Stomp;
using Xunit;

namespace Millrace.Server.Tests.Stomp;

public sealed class FrameSplitterTests
{
    private static readonly string[] Frames =
    [
        "CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0",
        "\n",
        "MESSAGE\ndestination:/queue/a\ncontent-length:5\n\na\0\n\0b\0",
        "MESSAGE\ncontent-length:0\n\n\0",
        "\n\r\n\n",
        "ERROR\nmessage:no\ncontent-type:text/plain\n\nwith a NUL at its end\n\n\0",
        "RECEIPT\r\nreceipt-id:content-length:7\r\n\r\n\0",
        "MESSAGE\ncontent-lengthy:3\ncontent-length:12\n\n0123456789ü\0",
    ];

    [Fact]
    public void Frames_CutAnywhere_AreFoundWhole()
    {
        var stream = Encoding.UTF8.GetBytes(string.Concat(Frames));
        for (var size = 1; size <= stream.Length; size++)
        {
            Assert.Equal(Frames, Split(stream, size));
        }
    }

    [Fact]
    public void AFrame_ThatHasNotEnded_IsTakenWhole_WithoutAnEnd()
    {
        var splitter = new FrameSplitter();

        Assert.Equal(9, splitter.Take("MESSAGE\n\n"u8, out var isEnd));
        Assert.False(isEnd);
        Assert.Equal(4, splitter.Take("body"u8, out isEnd));
        Assert.False(isEnd);
        Assert.Equal(2, splitter.Take("!\0\n"u8, out isEnd));
        Assert.True(isEnd);
    }

    // Heart-beats that are cut are several; that is as good as one.
    private static List<string> Split(byte[] stream, int size)
    {
        var splitter = new FrameSplitter();
        var frames = new List<string>();
        var frame = new List<byte>();
        var wasBeat = false;
        foreach (var chunk in stream.Chunk(size))
        {
            var rest = chunk.AsSpan();
            while (!rest.IsEmpty)
            {
                var taken = splitter.Take(rest, out var isEnd);
                frame.AddRange(rest[..taken]);
                rest = rest[taken..];
                if (!isEnd)
                {
                    continue;
                }

                var text = Encoding.UTF8.GetString([.. frame]);
                frame.Clear();
                var isBeat = text.Trim('\r', '\n').Length == 0;
                if (isBeat && wasBeat)
                {
                    frames[^1] += text;
                }
                else
                {
                    frames.Add(text);
                }

                wasBeat = isBeat;
            }
        }

        Assert.Empty(frame);
        return frames;
    }
}
