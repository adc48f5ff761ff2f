using System.Text;
using Millrace.App.Input;
using Millrace.Storage;
using Xunit;

namespace Millrace.Cli.Tests;

public sealed class MessageSourceTests
{
    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;
    private static readonly QueueCapabilities Capabilities = new() { Backend = "test", Durability = StoreDurability.None, MaxBodyBytes = 1000, MaxHeaderBytes = 100 };

    [Fact]
    public async Task ASlowInput_IsSentAsItArrives()
    {
        // One line a read: the source never waits for the second while it has the first.
        var source = Open(new MessageRequest { BatchSize = 500 }, new ChunkedStream(Encoding.UTF8.GetBytes("1\n2\n3\n"), 2));

        Assert.Equal([1, 1, 1], await BatchSizesAsync(source));
    }

    [Fact]
    public async Task AFile_IsSentInFullBatches()
    {
        var source = Open(new MessageRequest { BatchSize = 400 }, new MemoryStream(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"n\": 1}\n", 1000)))));

        Assert.Equal([400, 400, 200], await BatchSizesAsync(source));
    }

    [Fact]
    public async Task LongLines_AreSentInSmallerBatches_ThatFitARequest()
    {
        var capabilities = Capabilities with { MaxBodyBytes = 4_000_000 };
        var line = $"\"{new string('x', 3_000_000)}\"\n";
        await using var source = new MessageSource(
            new MessageRequest { BatchSize = 500 }, capabilities, new MemoryStream(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(line, 7)))));

        Assert.Equal([3, 3, 1], await BatchSizesAsync(source));
    }

    [Fact]
    public async Task ABody_IsTheBytesOfItsLine_AndBlankLinesAreSkipped()
    {
        var batch = await ReadAsync(new MessageRequest { BatchSize = 10 }, "\uFEFF {\"a\":  1}\r\n\n  \n\"ü\"\n");

        Assert.Equal([" {\"a\":  1}", "\"ü\""], batch.Select(envelope => Encoding.UTF8.GetString(envelope.Body.Span)));
        Assert.All(batch, envelope => Assert.Equal("application/json", envelope.ContentType));
    }

    [Fact]
    public async Task IdAndKey_ComeFromTheFieldsOfTheOuterObject()
    {
        var request = new MessageRequest { BatchSize = 10, IdField = "id", KeyField = "who" };

        var batch = await ReadAsync(request, "{\"x\":{\"id\":\"inner\"},\"id\":17,\"who\":\"a\\u0062\"}\n");

        Assert.Equal("17", batch[0].Id.ToString());
        Assert.Equal("ab", batch[0].Key);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[1]")]
    [InlineData("{\"id\": null}")]
    [InlineData("{\"id\": {}}")]
    [InlineData("{\"id\": \"\"}")]
    public async Task ALineWithoutItsId_IsRefused(string line)
    {
        var exception = await Assert.ThrowsAsync<InvalidMessageException>(() => ReadAsync(new MessageRequest { BatchSize = 10, IdField = "id" }, "{\"id\": 1}\n" + line));

        Assert.StartsWith("Line 2: it has no property 'id'", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"a\": 1")]
    [InlineData("{\"a\": 1} {\"b\": 2}")]
    [InlineData("hello")]
    [InlineData("{'a': 1}")]
    [InlineData("{\"a\": \u0001}")]
    public async Task ALineThatIsNoJson_IsRefusedWithItsNumber(string line)
    {
        var exception = await Assert.ThrowsAsync<InvalidMessageException>(() => ReadAsync(new MessageRequest { BatchSize = 10 }, "1\n2\n" + line + "\n4\n"));

        Assert.StartsWith("Line 3 is not JSON", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ALineOverTheLimit_IsRefusedWithItsNumber()
    {
        var exception = await Assert.ThrowsAsync<InvalidMessageException>(
            () => ReadAsync(new MessageRequest { BatchSize = 10 }, "1\n\"" + new string('x', 1000) + "\"\n"));

        Assert.StartsWith("Line 2", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Text_IsTakenAsItIs_EmptyLinesToo()
    {
        var batch = await ReadAsync(new MessageRequest { BatchSize = 10, IsText = true }, "a b\n\nc\n");

        Assert.Equal(["a b", "", "c"], batch.Select(envelope => Encoding.UTF8.GetString(envelope.Body.Span)));
        Assert.All(batch, envelope => Assert.Equal("text/plain", envelope.ContentType));
    }

    [Fact]
    public async Task Raw_IsOneBodyWithEveryByte()
    {
        byte[] bytes = [0, 10, 13, 10, 255];
        var source = Open(new MessageRequest { BatchSize = 10, IsRaw = true }, new ChunkedStream(bytes, 2));

        var batch = await source.ReadAsync(Token);

        Assert.Equal(bytes, Assert.Single(batch).Body.ToArray());
        Assert.Null(batch[0].ContentType);
        Assert.Empty(await source.ReadAsync(Token));
    }

    [Theory]
    [InlineData("{\"a\": 1}", "application/json")]
    [InlineData("hello", "text/plain")]
    [InlineData("", "text/plain")]
    public async Task AnArgument_IsJsonIfItReadsAsJson(string message, string contentType)
    {
        var batch = await Open(new MessageRequest { BatchSize = 10, Message = message }, Stream.Null).ReadAsync(Token);

        Assert.Equal(contentType, Assert.Single(batch).ContentType);
    }

    private static MessageSource Open(MessageRequest request, Stream stream) => new(request, Capabilities, stream);

    private static async Task<IReadOnlyList<Envelope>> ReadAsync(MessageRequest request, string input) =>
        await Open(request, new MemoryStream(Encoding.UTF8.GetBytes(input))).ReadAsync(Token);

    private static async Task<List<int>> BatchSizesAsync(MessageSource source)
    {
        var sizes = new List<int>();
        while (await source.ReadAsync(Token) is { Count: > 0 } batch)
        {
            sizes.Add(batch.Count);
        }

        return sizes;
    }
}
