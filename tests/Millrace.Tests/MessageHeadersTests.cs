using Xunit;

namespace Millrace.Tests;

public sealed class MessageHeadersTests
{
    [Fact]
    public void Create_KeepsOrder_AndTheFirstOfRepeatedNames()
    {
        var headers = MessageHeaders.Create(new("b", "1"), new("a", "2"), new("b", "3"), new("B", "4"));

        Assert.Equal(["b", "a", "B"], headers.Keys);
        Assert.Equal(["1", "2", "4"], headers.Values);
        Assert.Equal("1", headers["b"]);
        Assert.Contains("'x'", Assert.Throws<KeyNotFoundException>(() => headers["x"]).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void With_ReplacesInPlace_AndLeavesTheOriginal()
    {
        var original = MessageHeaders.Create(new("a", "1"), new("b", "2"));

        Assert.Equal(["a=9", "b=2"], original.With("a", "9").Select(header => $"{header.Key}={header.Value}"));
        Assert.Equal(["a=1", "b=2", "c=3"], original.With("c", "3").Select(header => $"{header.Key}={header.Value}"));
        Assert.Equal(["b"], original.Without("a").Keys);
        Assert.Same(original, original.Without("x"));
        Assert.Same(MessageHeaders.Empty, original.Without("a").Without("b"));
        Assert.Equal(2, original.Count);
    }

    [Fact]
    public void NullsAndEmptyNames_AreRefused()
    {
        Assert.Throws<ArgumentException>(() => MessageHeaders.Create(new KeyValuePair<string, string>("", "x")));
        Assert.Throws<ArgumentNullException>(() => MessageHeaders.Create(new KeyValuePair<string, string>("a", null!)));
    }

    [Fact]
    public void Of_TakesNamesAndValues_TheFirstOfANameWins()
    {
        var headers = MessageHeaders.Of(("a", "1"), ("b", "2"), ("a", "3"));

        Assert.Equal(["a=1", "b=2"], headers.Select(header => $"{header.Key}={header.Value}"));
        Assert.Same(MessageHeaders.Empty, MessageHeaders.Of());
    }
}
