using Xunit;

namespace Millrace.Tests;

public sealed class ResourceNameTests
{
    [Theory]
    [InlineData("a")]
    [InlineData("orders.eu/west 1")]
    [InlineData("Größe-北京-🚚")]
    public void NamesInAnyScript_AreTaken(string name) => ResourceName.Require(name, "queue");

    [Theory]
    [InlineData("", "empty")]
    [InlineData("a!b", "'!' is reserved")]
    [InlineData("orders!dead", "'!' is reserved")]
    [InlineData("a\nb", "character 2 is a control character (U+000A)")]
    [InlineData("a\u0085", "U+0085")]
    public void BadNames_AreRefused_WithTheReason(string name, string reason)
    {
        var error = Assert.Throws<InvalidNameException>(() => ResourceName.Require(name, "queue"));

        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
        Assert.False(error.IsTransient);
    }

    [Fact]
    public void HalfASurrogatePair_IsRefused() // Not in the theory: attributes are stored as UTF-8, which cannot hold one.
    {
        var error = Assert.Throws<InvalidNameException>(() => ResourceName.Require("a\ud800x", "queue"));
        Assert.Contains("character 2 is half a surrogate pair", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TheLimit_IsInBytesOfUtf8()
    {
        ResourceName.Require(new string('é', 100), "queue");
        var error = Assert.Throws<InvalidNameException>(() => ResourceName.Require(new string('é', 101), "queue"));
        Assert.Contains("200 bytes", error.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidNameException>(() => ResourceName.Require(new string('a', 1_000_000), "queue"));
    }

    [Fact]
    public void DeadLetterQueues_AreDerived_AndMayBeRead()
    {
        Assert.Equal("orders!dead", ResourceName.DeadLetterQueueOf("orders"));
        Assert.Equal("orders!dead", ResourceName.DeadLetterQueueOf("orders!dead"));
        Assert.Equal("orders", ResourceName.SourceOf("orders!dead"));
        ResourceName.RequireQueue("orders!dead");
        Assert.Throws<InvalidNameException>(() => ResourceName.RequireQueue("orders!dead!dead"));
        Assert.Throws<InvalidNameException>(() => ResourceName.RequireQueue("!dead"));
    }
}
