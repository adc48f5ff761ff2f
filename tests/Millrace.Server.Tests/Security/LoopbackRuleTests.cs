using Millrace.Server.Security;
using Xunit;

namespace Millrace.Server.Tests.Security;

public sealed class LoopbackRuleTests
{
    [Theory]
    [InlineData("http://127.0.0.1:7070")]
    [InlineData("http://127.8.8.8:0")]
    [InlineData("http://localhost:7070")]
    [InlineData("https://LOCALHOST:7071/")]
    [InlineData("http://[::1]:7070")]
    [InlineData("http://unix:/run/millrace.sock")]
    public void Loopback_NeedsNoUsers(string url) => LoopbackRule.Require([url], hasUsers: false);

    [Theory]
    [InlineData("http://0.0.0.0:7070")]
    [InlineData("http://[::]:7070")]
    [InlineData("http://*:7070")]
    [InlineData("http://+:7070")]
    [InlineData("http://192.168.0.7:7070")]
    [InlineData("https://millrace.example.org")]
    [InlineData("http://127.0.0.1.example.org:80")]
    public void EveryOtherAddress_NeedsUsers(string url)
    {
        LoopbackRule.Require([url], hasUsers: true);

        var fault = Assert.Throws<MillraceConfigurationException>(() => LoopbackRule.Require(["http://127.0.0.1:1", url], hasUsers: false)).Message;
        Assert.Contains(url, fault, StringComparison.Ordinal);
        Assert.Contains("millrace user add", fault, StringComparison.Ordinal);
        Assert.Contains("127.0.0.1", fault, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("127.0.0.1:7070")]
    [InlineData("http://127.0.0.1:port")]
    public void WhatIsNoAddress_IsRefused(string url) =>
        Assert.Throws<MillraceConfigurationException>(() => LoopbackRule.Require([url], hasUsers: false));

    [Fact]
    public async Task PasswordsInTheClear_AreWarnedOf_AndHttpsNeedsACertificate()
    {
        using var folder = new UsersFolder();
        await folder.WriteAsync(UsersFolder.User("ada"));
        var log = new RecordedLog();
        using var security = ServerSecurity.Open(new SecurityOptions { UsersFile = folder.File }, TimeProvider.System, log);

        security.RequireSafe(["http://127.0.0.1:1", "http://10.0.0.1:2"]);

        Assert.Contains("http://10.0.0.1:2", Assert.Single(log.Of(2113)).Text, StringComparison.Ordinal);
        Assert.Contains("no certificate", Assert.Throws<MillraceConfigurationException>(() => security.RequireSafe(["https://10.0.0.1:3"])).Message, StringComparison.Ordinal);
    }
}
