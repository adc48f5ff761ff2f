using System.Net;
using Millrace.Server.Security;
using Xunit;

namespace Millrace.Server.Tests.Security;

/// <summary>What pages of other origins can, and cannot, make a browser do.</summary>
public sealed class BrowserTests : IDisposable
{
    private const string Foreign = "https://evil.example";
    private const string Friend = "https://tools.example.org";

    private readonly UsersFolder _folder = new();

    public static TheoryData<string, string?, string?> Refused => new()
    {
        { "POST", Foreign, null },
        { "PUT", Foreign, "cross-site" },
        { "DELETE", Foreign, null },
        { "PATCH", Foreign, null },
        { "POST", "null", null },
        { "POST", "null", "same-origin" },
        { "POST", "http://localhost.evil.example", null },
        { "POST", "http://127.0.0.1:1", null },
        { "POST", "http://localhost", null },
        { "POST", "https://127.0.0.1:{port}", null },
        { "POST", "http://user@127.0.0.1:{port}", null },
        { "POST", "http://127.0.0.1:{port}/x", null },
        { "POST", "garbage", null },
        { "POST", null, "cross-site" },
        { "POST", null, "same-site" },
        { "OPTIONS", Foreign, null },
    };

    public static TheoryData<string, string?, string?> Allowed => new()
    {
        { "POST", null, null },
        { "POST", "http://127.0.0.1:{port}", null },
        { "POST", "http://127.0.0.1:{port}", "same-origin" },
        { "POST", null, "same-origin" },
        { "POST", null, "none" },
        { "GET", Foreign, "cross-site" },
        { "GET", null, "cross-site" },
    };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task ForeignPages_CannotChangeAnything(string method, string? origin, string? site)
    {
        await using var host = await SecuredHost.StartAsync(new SecurityOptions());

        var answer = await host.SendAsync(new HttpMethod(method), Headers(host, origin, site));

        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.Contains("\"code\":\"cross-origin\"", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.False(answer.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Theory]
    [MemberData(nameof(Allowed))]
    public async Task OwnPages_AndProgramsThatAreNoBrowsers_AreLetThrough(string method, string? origin, string? site)
    {
        await using var host = await SecuredHost.StartAsync(new SecurityOptions());

        var answer = await host.SendAsync(new HttpMethod(method), Headers(host, origin, site));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.False(answer.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Fact]
    public async Task ForeignWebSockets_AreRefused()
    {
        await using var host = await SecuredHost.StartAsync(new SecurityOptions());

        var answer = await host.SendAsync(HttpMethod.Get, ("Origin", Foreign), ("Connection", "Upgrade"), ("Upgrade", "WebSocket"));

        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
    }

    [Fact]
    public async Task AllowedOrigins_GetCorsHeaders_OthersDoNot()
    {
        await using var host = await SecuredHost.StartAsync(new SecurityOptions { CorsOrigins = [Friend] });

        var friend = await host.SendAsync(HttpMethod.Post, ("Origin", Friend), ("Sec-Fetch-Site", "cross-site"));
        var foreign = await host.SendAsync(HttpMethod.Post, ("Origin", Foreign));
        var looksAlike = await host.SendAsync(HttpMethod.Post, ("Origin", Friend.ToUpperInvariant()));

        Assert.Equal((HttpStatusCode.OK, Friend), (friend.StatusCode, friend.Headers.GetValues("Access-Control-Allow-Origin").Single()));
        Assert.Contains("Millrace-Receiver", friend.Headers.GetValues("Access-Control-Expose-Headers").Single(), StringComparison.Ordinal);
        Assert.False(friend.Headers.Contains("Access-Control-Allow-Credentials"));
        Assert.All([friend, foreign], answer => Assert.Equal("Origin", answer.Headers.Vary.Single()));
        Assert.Equal((HttpStatusCode.Forbidden, HttpStatusCode.Forbidden), (foreign.StatusCode, looksAlike.StatusCode));
    }

    [Fact]
    public async Task Preflights_AreAnsweredWithoutCredentials()
    {
        await _folder.WriteAsync(UsersFolder.User("ada", "correct horse", "admin"));
        await using var host = await SecuredHost.StartAsync(
            new SecurityOptions { UsersFile = _folder.File, CorsOrigins = [Friend], CorsAllowCredentials = true });

        var answer = await host.SendAsync(
            HttpMethod.Options,
            ("Origin", Friend),
            ("Access-Control-Request-Method", "DELETE"),
            ("Access-Control-Request-Headers", "authorization,content-type, last-event-id,millrace-key,x-other"));
        var refused = await host.SendAsync(HttpMethod.Get, ("Origin", Friend));

        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        Assert.Equal("authorization, content-type, last-event-id, millrace-key", answer.Headers.GetValues("Access-Control-Allow-Headers").Single());
        Assert.Contains("DELETE", answer.Headers.GetValues("Access-Control-Allow-Methods").Single(), StringComparison.Ordinal);
        Assert.Equal("true", answer.Headers.GetValues("Access-Control-Allow-Credentials").Single());
        Assert.Equal((HttpStatusCode.Unauthorized, Friend), (refused.StatusCode, refused.Headers.GetValues("Access-Control-Allow-Origin").Single()));
    }

    [Fact]
    public async Task WithEveryOriginAllowed_OnlyKeysChangeAnything()
    {
        var (key, text) = Server.Security.Users.BearerKey.Create("k", DateTimeOffset.UnixEpoch, null);
        await _folder.WriteAsync(UsersFolder.User("ada", "correct horse", "admin") with { Keys = [key] });
        await using var host = await SecuredHost.StartAsync(new SecurityOptions { UsersFile = _folder.File, CorsOrigins = ["*"] });

        var byKey = await host.SendAsync(HttpMethod.Post, ("Origin", Foreign), ("Authorization", $"Bearer {text}"));
        var byPassword = await host.SendAsync(HttpMethod.Post, ("Origin", Foreign), ("Authorization", SecuredHost.Basic("ada", "correct horse").ToString()));

        Assert.Equal((HttpStatusCode.OK, "*"), (byKey.StatusCode, byKey.Headers.GetValues("Access-Control-Allow-Origin").Single()));
        Assert.Equal(HttpStatusCode.Forbidden, byPassword.StatusCode);
    }

    [Theory]
    [InlineData("localhost", true)]
    [InlineData("LOCALHOST:7070", true)]
    [InlineData("127.0.0.1", true)]
    [InlineData("127.9.8.7:80", true)]
    [InlineData("[::1]:7070", true)]
    [InlineData("millrace.local", true)]
    [InlineData("evil.example", false)]
    [InlineData("127.0.0.1.evil.example", false)]
    [InlineData("localhost.evil.example:7070", false)]
    [InlineData("192.168.1.1", false)]
    [InlineData("0.0.0.0", false)]
    [InlineData("", true)]
    public async Task WithoutUsers_OnlyNamesOfThisMachineAreAnswered(string name, bool allowed)
    {
        await using var host = await SecuredHost.StartAsync(new SecurityOptions { AllowedHosts = ["millrace.local"] });

        var answer = await host.SendRawAsync($"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");

        Assert.StartsWith(allowed ? "HTTP/1.1 200" : "HTTP/1.1 403", answer, StringComparison.Ordinal);
        Assert.Equal(!allowed, answer.Contains("\"code\":\"host-not-allowed\"", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("https://tools.example.org/")]
    [InlineData("https://tools.example.org/x")]
    [InlineData("https://tools.example.org:443")]
    [InlineData("HTTPS://tools.example.org")]
    [InlineData("https://*.example.org")]
    [InlineData("https://user@example.org")]
    [InlineData("tools.example.org")]
    [InlineData("null")]
    [InlineData("")]
    [InlineData("file:///x")]
    public void AnOriginThatNoBrowserSends_IsRefusedAtTheStart(string origin) =>
        Assert.Contains($"'{origin}'", Fault(new SecurityOptions { CorsOrigins = [origin] }), StringComparison.Ordinal);

    [Fact]
    public void EveryOrigin_GoesNeitherWithCredentials_NorWithoutUsers()
    {
        new SecurityOptions { CorsOrigins = [Friend, "http://localhost:5173", "https://[::1]:8"], CorsAllowCredentials = true }.Validate();
        Assert.Contains("cannot go with CorsAllowCredentials", Fault(new SecurityOptions { UsersFile = "x", CorsOrigins = ["*"], CorsAllowCredentials = true }), StringComparison.Ordinal);
        Assert.Contains("needs users", Fault(new SecurityOptions { CorsOrigins = ["*"] }), StringComparison.Ordinal);
        Assert.Contains("without ports", Fault(new SecurityOptions { AllowedHosts = ["millrace.local:7070"] }), StringComparison.Ordinal);
    }

    private static string Fault(SecurityOptions options) => Assert.Throws<MillraceConfigurationException>(options.Validate).Message;

    private static (string, string)[] Headers(SecuredHost host, string? origin, string? site)
    {
        var port = host.Address.Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        return
        [
            .. origin is null ? Array.Empty<(string, string)>() : [("Origin", origin.Replace("{port}", port, StringComparison.Ordinal)), ("Access-Control-Request-Method", "POST")],
            .. site is null ? Array.Empty<(string, string)>() : [("Sec-Fetch-Site", site)],
        ];
    }
}
