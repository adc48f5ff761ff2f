using System.Text;
using Millrace.App.Input;
using Xunit;

namespace Millrace.Cli.Tests;

public sealed class LineReaderTests
{
    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    [Fact]
    public async Task Lines_AreTheSame_AtEverySplitOfTheInput()
    {
        var bytes = Encoding.UTF8.GetBytes("one\r\ntwo\n\nfour ä\nlast without end");
        string[] expected = ["one", "two", "", "four ä", "last without end"];
        for (var chunk = 1; chunk <= bytes.Length; chunk++)
        {
            Assert.Equal(expected, await ReadAsync(new ChunkedStream(bytes, chunk), maxLineBytes: 100));
        }
    }

    [Fact]
    public async Task LongLines_OutgrowTheBuffer()
    {
        var line = new string('x', 300_000);

        Assert.Equal([line, "y"], await ReadAsync(new ChunkedStream(Encoding.UTF8.GetBytes(line + "\ny\n"), 50_000), maxLineBytes: 300_000));
    }

    [Fact]
    public async Task ALineOverTheLimit_IsRefusedWithItsNumber_BeforeItHasBeenReadWhole()
    {
        var input = new ChunkedStream(Encoding.UTF8.GetBytes("ok\n" + new string('x', 10_000_000)), 1_000);

        var exception = await Assert.ThrowsAsync<InvalidMessageException>(() => ReadAsync(input, maxLineBytes: 500));

        Assert.StartsWith("Line 2 is longer than 500 bytes", exception.Message, StringComparison.Ordinal);
        Assert.True(input.Position < 200_000, $"{input.Position} bytes were read");
    }

    private static async Task<List<string>> ReadAsync(Stream stream, int maxLineBytes)
    {
        var reader = new LineReader(stream, maxLineBytes);
        var lines = new List<string>();
        while (!reader.IsAtEnd)
        {
            if (reader.TryRead(out var line))
            {
                lines.Add(Encoding.UTF8.GetString(line.Span));
            }
            else
            {
                await reader.FillAsync(Token);
            }
        }

        Assert.Equal(lines.Count, reader.LineNumber);
        return lines;
    }
}
