using System.Text;
using Millrace.Redis.Client;
using Millrace.Redis.Client.Protocol;
using Xunit;

namespace Millrace.Redis.Tests.Client;

/// <summary>The codec: every type, at every split point, within its limits.</summary>
public sealed class RespReaderTests
{
    public static TheoryData<string, string> Examples { get; } = new()
    {
        { "+OK\r\n", "+OK" },
        { "+\r\n", "+" },
        { "-WRONGTYPE not a list\r\n", "-WRONGTYPE not a list" },
        { ":42\r\n", "42" },
        { ":-9223372036854775808\r\n", "-9223372036854775808" },
        { "$5\r\nhello\r\n", "'hello'" },
        { "$0\r\n\r\n", "''" },
        { "$4\r\n\r\n\r\n\r\n", "'\r\n\r\n'" },
        { "$-1\r\n", "null" },
        { "*-1\r\n", "null" },
        { "_\r\n", "null" },
        { "#t\r\n", "true" },
        { "#f\r\n", "false" },
        { ",3.25\r\n", ",3.25" },
        { ",-inf\r\n", ",-inf" },
        { "(3492890328409238509324850943850943825024385\r\n", "(3492890328409238509324850943850943825024385" },
        { "=8\r\ntxt:text\r\n", "'text'" },
        { "!9\r\nERR large\r\n", "-ERR large" },
        { "*0\r\n", "[]" },
        { "%0\r\n", "{}" },
        { "*2\r\n:1\r\n$1\r\na\r\n", "[1 'a']" },
        { "~2\r\n:1\r\n:2\r\n", "[1 2]" },
        { "%2\r\n+a\r\n:1\r\n+b\r\n*2\r\n_\r\n*1\r\n$3\r\nxyz\r\n", "{+a 1 +b [null ['xyz']]}" },
        { "*3\r\n*0\r\n*1\r\n*0\r\n$-1\r\n", "[[] [[]] null]" },
        { ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n", ">['message' 'c' 'hi']" },
        { "|1\r\n+ttl\r\n:3\r\n$1\r\na\r\n", "'a'" },
        { "|1\r\n+ttl\r\n:3\r\n*2\r\n|1\r\n+k\r\n*1\r\n$2\r\nxx\r\n$1\r\na\r\n=5\r\nmkd:b\r\n", "['a' 'b']" },
        { "*3\r\n-ERR inner\r\n,1e3\r\n!3\r\nbad\r\n", "[-ERR inner ,1e3 -bad]" },
    };

    [Theory]
    [MemberData(nameof(Examples))]
    public void Reply_CutAtEveryPoint_IsTheSame(string bytes, string expected)
    {
        // The neighbours show that nothing is read too far, and that nothing stays behind.
        var text = Encoding.Latin1.GetBytes("+before\r\n" + bytes + ":7\r\n");
        string[] all = ["+before", expected, "7"];

        Assert.Equal(all, Replies.Read(text));
        for (var first = 0; first <= text.Length; first++)
        {
            Assert.Equal(all, Replies.Read(text, null, first));
            for (var second = first; second <= text.Length; second++)
            {
                Assert.Equal(all, Replies.Read(text, null, first, second));
            }
        }

        Assert.Equal(all, Replies.Read(text, null, [.. Enumerable.Range(1, text.Length - 1)]));
    }

    [Fact]
    public void Reply_LargerThanABuffer_IsCopiedOnce_IntoOneArray()
    {
        var body = new byte[300_000];
        new Random(1).NextBytes(body);
        byte[] bytes = [.. "$300000\r\n"u8, .. body, .. "\r\n"u8];
        var reader = new RespReader(RespLimits.Default);

        ReadOnlySpan<byte> rest = bytes.AsSpan(0, 100_000);
        Assert.False(reader.TryRead(ref rest, out _, out _));
        Assert.True(rest.IsEmpty);
        rest = bytes.AsSpan(100_000);
        Assert.True(reader.TryRead(ref rest, out var reply, out _));
        Assert.True(reply.Bytes.Span.SequenceEqual(body));
    }

    [Fact]
    public void Parts_OfOneReply_ShareAnArray()
    {
        var reader = new RespReader(RespLimits.Default);
        var rest = "*2\r\n$3\r\nabc\r\n*1\r\n$2\r\nde\r\n"u8;
        Assert.True(reader.TryRead(ref rest, out var reply, out _));

        Assert.True(System.Runtime.InteropServices.MemoryMarshal.TryGetArray(reply.Items[0].Bytes, out var first));
        Assert.True(System.Runtime.InteropServices.MemoryMarshal.TryGetArray(reply.Items[1].Items[0].Bytes, out var second));
        Assert.Same(first.Array, second.Array);
        Assert.Equal(5, first.Array!.Length);
    }

    [Theory]
    [InlineData("x\r\n")]
    [InlineData("\r\n")]
    [InlineData("+a\n")]
    [InlineData("+a\rb\r\n")]
    [InlineData(":\r\n")]
    [InlineData(":1x\r\n")]
    [InlineData(":9223372036854775808\r\n")]
    [InlineData("$-2\r\n")]
    [InlineData("$x\r\n")]
    [InlineData("$?\r\n")]
    [InlineData("*?\r\n")]
    [InlineData("$1\r\nab\r\n")]
    [InlineData("$1\r\na\n\n")]
    [InlineData("*-2\r\n")]
    [InlineData("%-1\r\n")]
    [InlineData(">-1\r\n")]
    [InlineData("=3\r\nabc\r\n")]
    [InlineData("#x\r\n")]
    [InlineData("_x\r\n")]
    [InlineData(",a\r\n")]
    [InlineData("(1a\r\n")]
    [InlineData("*1\r\n>1\r\n:1\r\n")]
    [InlineData("*5000000\r\n")]
    [InlineData("%2500000\r\n")]
    [InlineData("*9223372036854775807\r\n")]
    [InlineData("$536870913\r\n")]
    public void Bytes_ThatAreNoReply_AreRefused(string bytes) =>
        Assert.Throws<RespException>(() => Replies.Read(Encoding.Latin1.GetBytes(bytes)));

    [Fact]
    public void Reply_OverALimit_IsRefused_BeforeMemoryIsTaken()
    {
        var limits = new RespLimits { MaxBulkBytes = 10, MaxDepth = 2, MaxItems = 5, MaxLineBytes = 20, MaxReplyBytes = 12 };

        Assert.Equal(["'0123456789'"], Replies.Read("$10\r\n0123456789\r\n"u8, limits));
        Assert.Throws<RespException>(() => Replies.Read("$11\r\n"u8, limits));
        Assert.Equal(["[[1]]"], Replies.Read("*1\r\n*1\r\n:1\r\n"u8, limits));
        Assert.Throws<RespException>(() => Replies.Read("*1\r\n*1\r\n*1\r\n"u8, limits));
        Assert.Throws<RespException>(() => Replies.Read("*2\r\n*3\r\n:1\r\n:2\r\n:3\r\n:4\r\n"u8, limits));
        Assert.Throws<RespException>(() => Replies.Read("+0123456789012345678901"u8, limits));
        Assert.Throws<RespException>(() => Replies.Read("*2\r\n$10\r\n0123456789\r\n$10\r\n0123"u8, limits));
    }

    [Fact]
    public void Length_ThatIsOnlyClaimed_TakesNoMemory()
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(["…"], Replies.Read("$536870912\r\nabc"u8));
        Assert.Equal(["…"], Replies.Read("*4000000\r\n:1\r\n"u8));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_000_000);
    }

    [Fact]
    public void Reply_DescribesItself_WithoutItsContents()
    {
        Assert.Equal("text of 6 bytes", RedisReply.OfText(RedisReplyKind.Bytes, "secret"u8.ToArray()).ToString());
        Assert.Throws<InvalidOperationException>(() => RedisReply.OfText(RedisReplyKind.Bytes, "12x"u8.ToArray()).ToInteger());
        Assert.Equal(12, RedisReply.OfText(RedisReplyKind.Bytes, "12"u8.ToArray()).ToInteger());
    }
}
