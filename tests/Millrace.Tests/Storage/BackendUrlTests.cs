using Millrace.Storage;
using Xunit;

namespace Millrace.Tests.Storage;

public sealed class BackendUrlTests
{
    [Theory]
    [InlineData("memory:", "memory", "", "")]
    [InlineData(" SQLite:./data.db ", "sqlite", "./data.db", "")]
    [InlineData("sqlite:/var/lib/a%20b.db", "sqlite", "/var/lib/a b.db", "")]
    [InlineData("sqlite+aiosqlite:///./dev.db", "sqlite", "./dev.db", "")]
    [InlineData("sqlite:///var/data.db", "sqlite", "/var/data.db", "")]
    [InlineData("redis://localhost:6379/0", "redis", "0", "localhost:6379")]
    [InlineData("redis://h1:7000,h2:7001/", "redis", "", "h1:7000,h2:7001")]
    [InlineData("redis+sentinel://h:26379/mymaster/0", "redis", "mymaster/0", "h:26379")]
    [InlineData("postgres://[::1]:5432/db", "postgres", "db", "[::1]:5432")]
    [InlineData("http://host", "http", "", "host")]
    public void Urls_AreTakenApart(string text, string scheme, string path, string hosts)
    {
        var url = BackendUrl.Parse(text);

        Assert.Equal(scheme, url.Scheme);
        Assert.Equal(path, url.Path);
        Assert.Equal(hosts, string.Join(',', url.Hosts));
    }

    [Fact]
    public void Login_IsUnescaped_AndMaskedInText()
    {
        var url = BackendUrl.Parse("amqp://us%40er:p%3Aw%2F%40@host:5672/my_vhost?password=hush&prefetch=10");

        Assert.Equal("us@er", url.UserName);
        Assert.Equal("p:w/@", url.Password);
        Assert.Equal("amqp://us%40er:***@host:5672/my_vhost?password=***&prefetch=10", url.ToString());
        Assert.Equal("redis://:***@h", BackendUrl.Parse("redis://:secret@h").ToString());
        Assert.Equal("redis://h/3?keyprefix=app&apiKey=***&pfxPassword=***", BackendUrl.Parse("redis://h/3?keyprefix=app&apiKey=s&pfxPassword=s").ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("data.db")]
    [InlineData("1x:abc")]
    [InlineData("redis://host:99999/")]
    [InlineData("redis://host:x/")]
    [InlineData("redis://a,,b/")]
    [InlineData("memory:?a=1&A=2")]
    public void WhatIsNoUrl_IsRefused(string text) =>
        Assert.Throws<MillraceConfigurationException>(() => BackendUrl.Parse(text));

    [Fact]
    public void Options_AreReadByType_AndUnknownOnesRefused_WithTheAllowedListed()
    {
        var options = BackendUrl.Parse("x:?durability=FULL&wait=250&on=no&typo=1").ReadOptions();

        Assert.Equal(StoreDurability.Full, options.Choice("durability", StoreDurability.None, ("full", StoreDurability.Full), ("none", StoreDurability.None)));
        Assert.Equal(TimeSpan.FromMilliseconds(250), options.Milliseconds("wait", TimeSpan.Zero, TimeSpan.Zero, TimeSpan.FromSeconds(1)));
        Assert.False(options.Boolean("on", true));
        Assert.Equal(7, options.Number("absent", 7, 0, 9));
        var error = Assert.Throws<MillraceConfigurationException>(options.RejectUnknown);
        Assert.Equal("The backend 'x' has no option 'typo': allowed are absent, durability, on, wait.", error.Message);
    }

    [Fact]
    public void Options_OfTheWrongKind_AreRefused_WithTheirValue()
    {
        var options = BackendUrl.Parse("x:?durability=most&wait=-1&on=maybe").ReadOptions();

        Assert.Contains("must be full, not 'most'", Assert.Throws<MillraceConfigurationException>(
            () => options.Choice("durability", 0, ("full", 1))).Message, StringComparison.Ordinal);
        Assert.Contains("from 0 to 9, not '-1'", Assert.Throws<MillraceConfigurationException>(() => options.Number("wait", 0, 0, 9)).Message, StringComparison.Ordinal);
        Assert.Contains("true or false, not 'maybe'", Assert.Throws<MillraceConfigurationException>(() => options.Boolean("on", true)).Message, StringComparison.Ordinal);
    }
}
