using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Millrace.Server.Security;
using Millrace.Server.Security.Users;
using Millrace.Testing;
using Xunit;

namespace Millrace.Server.Tests.Security;

/// <summary>Credentials over real HTTP.</summary>
public sealed class AuthenticationTests : IDisposable
{
    private readonly UsersFolder _folder = new();
    private readonly RecordedLog _log = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task APassword_MakesTheCaller()
    {
        await using var host = await StartAsync(
            UsersFolder.User("ada", "correct horse", "admin"),
            UsersFolder.User("Ä 😀 user", "pass: wörd:", "worker"),
            UsersFolder.User("guest", "guest-guest"));

        Assert.Equal("'ada' may, admin", await TextAsync(host, SecuredHost.Basic("ada", "correct horse")));
        Assert.Equal("'ada' may, admin", await TextAsync(host, SecuredHost.Basic("ada", "correct horse")));
        Assert.Equal("'Ä 😀 user' may", await TextAsync(host, SecuredHost.Basic("Ä 😀 user", "pass: wörd:")));
        Assert.Equal("'guest' may not", await TextAsync(host, new AuthenticationHeaderValue("bASIC", SecuredHost.Basic("guest", "guest-guest").Parameter)));
    }

    [Fact]
    public async Task ANameInOtherLetters_IsNobody()
    {
        await using var host = await StartAsync(UsersFolder.User("Ada", "correct horse", "admin"), UsersFolder.User("ADA", "another horse"));

        Assert.Equal("'Ada' may, admin", await TextAsync(host, SecuredHost.Basic("Ada", "correct horse")));
        Assert.Equal("'ADA' may not", await TextAsync(host, SecuredHost.Basic("ADA", "another horse")));
        await RequireRefusedAsync(host, SecuredHost.Basic("ada", "correct horse"));
    }

    [Fact]
    public async Task AKey_MakesTheCaller_UntilItExpiresOrIsRemoved()
    {
        var clock = new ManualTimeProvider();
        var (endless, endlessText) = BearerKey.Create("endless", clock.GetUtcNow(), null);
        var (brief, briefText) = BearerKey.Create("brief", clock.GetUtcNow(), clock.GetUtcNow() + TimeSpan.FromMinutes(1));
        var worker = UsersFolder.User("mailer", null, "worker") with { Keys = [endless, brief] };
        await using var host = await StartAsync(clock, worker);

        Assert.Equal("'mailer' may", await TextAsync(host, new AuthenticationHeaderValue("Bearer", endlessText)));
        Assert.Equal("'mailer' may", await TextAsync(host, new AuthenticationHeaderValue("bearer", briefText)));

        clock.Advance(TimeSpan.FromMinutes(1));
        await RequireRefusedAsync(host, new AuthenticationHeaderValue("Bearer", briefText));
        Assert.Equal("'mailer' may", await TextAsync(host, new AuthenticationHeaderValue("Bearer", endlessText)));

        await _folder.EditAsync(document => document.With(worker with { Keys = [brief] }));
        clock.Advance(TimeSpan.FromSeconds(1));
        await RequireRefusedAsync(host, new AuthenticationHeaderValue("Bearer", endlessText));
    }

    [Fact]
    public async Task ForgedKeys_AreRefused()
    {
        var (key, text) = BearerKey.Create("k", DateTimeOffset.UnixEpoch, null);
        var (_, other) = BearerKey.Create("k", DateTimeOffset.UnixEpoch, null);
        await using var host = await StartAsync(UsersFolder.User("a", null, "admin") with { Keys = [key] }, UsersFolder.User("b") with { Keys = [], IsDisabled = true });
        var forged = new[]
        {
            text[..^43] + other[^43..], other[..^43] + text[^43..], text + "x", text[..^1], text.ToUpperInvariant(), text[4..], "mrk_" + key.Id + "_", "a:b", Convert.ToBase64String(key.Hash),
        };
        foreach (var attempt in forged)
        {
            await RequireRefusedAsync(host, new AuthenticationHeaderValue("Bearer", attempt));
        }

        Assert.Equal("'a' may, admin", await TextAsync(host, new AuthenticationHeaderValue("Bearer", text)));
    }

    [Theory]
    [InlineData("Basic")]
    [InlineData("Basic ")]
    [InlineData("Basic  ")]
    [InlineData("Basic YWRhOmNvcnJlY3QgaG9yc2U")]
    [InlineData("Basic YWRh")]
    [InlineData("Basic YWRh OmNvcnJlY3QgaG9yc2U=")]
    [InlineData("Basic !!!!")]
    [InlineData("Basic /////w==")]
    [InlineData("Basic YQA6YgA=")]
    [InlineData("BasicYWRhOmNvcnJlY3QgaG9yc2U=")]
    [InlineData("Bearer")]
    [InlineData("Bearer ")]
    [InlineData("Digest username=\"ada\"")]
    [InlineData("YWRhOmNvcnJlY3QgaG9yc2U=")]
    [InlineData(":")]
    public async Task MalformedCredentials_AreUnauthorized(string header)
    {
        await using var host = await StartAsync(UsersFolder.User("ada", "correct horse", "admin"));

        var answer = await host.SendRawAsync($"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {header}\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 401", answer, StringComparison.Ordinal);
        Assert.Contains("\"code\":\"unauthorized\"", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task HugeAndRepeatedHeaders_AreUnauthorized()
    {
        await using var host = await StartAsync(UsersFolder.User("ada", "correct horse", "admin"));
        var right = SecuredHost.Basic("ada", "correct horse");

        await RequireRefusedAsync(host, SecuredHost.Basic("ada", new string('x', 10_000)));
        await RequireRefusedAsync(host, SecuredHost.Basic(new string('n', 5000), "x"));
        var twice = await host.SendRawAsync($"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {right}\r\nAuthorization: {right}\r\n\r\n");
        var bytes = await host.SendRawAsync("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic \xe4\xff\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 401", twice, StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 4", bytes, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refusals_AreProblemDocuments_WithBothChallenges()
    {
        await using var host = await StartAsync(UsersFolder.User("ada", "correct horse", "admin"));

        var answer = await host.SendAsync(null);

        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.ToString());
        Assert.Equal(["Basic realm=\"millrace\", charset=\"UTF-8\"", "Bearer realm=\"millrace\""], answer.Headers.GetValues("WWW-Authenticate"));
        using var problem = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Token));
        Assert.Equal(["type", "title", "status", "detail", "code", "transient"], problem.RootElement.EnumerateObject().Select(member => member.Name));
        Assert.Equal("urn:millrace:problem:unauthorized", problem.RootElement.GetProperty("type").GetString());
        Assert.Equal(401, problem.RootElement.GetProperty("status").GetInt32());
        Assert.Equal(("nosniff", "no-referrer", true), (answer.Headers.GetValues("X-Content-Type-Options").Single(), answer.Headers.GetValues("Referrer-Policy").Single(), answer.Headers.CacheControl!.NoStore));
        Assert.StartsWith("default-src 'none'", answer.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        Assert.Equal("", await (await host.SendAsync(null, method: HttpMethod.Head)).Content.ReadAsStringAsync(Token));
    }

    [Fact]
    public async Task UnknownNames_WrongPasswords_AndDisabledUsers_AreAnsweredAlike()
    {
        await using var host = await StartAsync(
            new ManualTimeProvider(), UsersFolder.User("ada", "correct horse", "admin"), UsersFolder.User("old", "correct horse") with { IsDisabled = true }, UsersFolder.User("keys"));

        var answers = new List<string>();
        foreach (var (name, password) in (IEnumerable<(string, string)>)[("ada", "wrong horse"), ("nobody", "wrong horse"), ("old", "correct horse"), ("old", "wrong"), ("keys", ""), ("", "")])
        {
            var answer = await host.SendAsync(SecuredHost.Basic(name, password));
            answer.Headers.Date = null;
            answers.Add($"{answer.StatusCode} {answer.Headers} {await answer.Content.ReadAsStringAsync(Token)}");
        }

        Assert.Single(answers.Distinct());
    }

    [Fact]
    public async Task OpenPaths_NeedNothing_AndGiveNothing()
    {
        await using var host = await StartAsync(UsersFolder.User("ada", "correct horse", "admin"));

        Assert.Equal("'' may not", await host.Client.GetStringAsync("/health/live", Token));
        Assert.Equal(HttpStatusCode.Unauthorized, (await host.SendAsync(null, "/health/live/x")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await host.SendAsync(null, "/health/live/")).StatusCode);
    }

    [Fact]
    public async Task ANewRule_HoldsFromTheNextRequestOfAConnection()
    {
        var clock = new ManualTimeProvider();
        await using var host = await StartAsync(clock, UsersFolder.User("bob", "correct horse"));
        var bob = SecuredHost.Basic("bob", "correct horse");
        Assert.Equal("'bob' may not", await TextAsync(host, bob));

        await _folder.EditAsync(document => document.With(document.FindUser("bob")! with { Roles = ["worker"] }));
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("'bob' may", await TextAsync(host, bob));

        await _folder.EditAsync(document => document.With(document.FindUser("bob")! with { Password = PasswordHash.Create("other horse", 10) }));
        clock.Advance(TimeSpan.FromSeconds(1));
        await RequireRefusedAsync(host, bob);
        Assert.Equal("'bob' may", await TextAsync(host, SecuredHost.Basic("bob", "other horse")));

        await _folder.EditAsync(document => document.WithoutUser("bob"));
        clock.Advance(TimeSpan.FromSeconds(1));
        await RequireRefusedAsync(host, SecuredHost.Basic("bob", "other horse"));
    }

    [Fact]
    public async Task RepeatedFailures_AreDelayed_WithRetryAfter()
    {
        var clock = new ManualTimeProvider();
        await using var host = await StartAsync(clock, UsersFolder.User("ada", "correct horse", "admin"));
        await RequireRefusedAsync(host, SecuredHost.Basic("ada", "wrong 1"));
        await RequireRefusedAsync(host, SecuredHost.Basic("ada", "wrong 2"));

        var delayed = await host.SendAsync(SecuredHost.Basic("ada", "correct horse"));

        Assert.Equal(HttpStatusCode.TooManyRequests, delayed.StatusCode);
        Assert.Equal(TimeSpan.FromSeconds(1), delayed.Headers.RetryAfter!.Delta);
        Assert.Contains("\"code\":\"too-many-failures\"", await delayed.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("'ada' may, admin", await TextAsync(host, SecuredHost.Basic("ada", "correct horse")));
    }

    [Fact]
    public async Task NoSecret_IsEverLogged()
    {
        var (key, text) = BearerKey.Create("k", DateTimeOffset.UnixEpoch, null);
        await using var host = await StartAsync(UsersFolder.User("ada", "correct horse", "admin") with { Keys = [key] });

        await host.SendAsync(SecuredHost.Basic("ada", "correct horse"));
        await host.SendAsync(SecuredHost.Basic("ada", "wrong-secret"));
        await host.SendAsync(new AuthenticationHeaderValue("Bearer", text));
        await host.SendAsync(new AuthenticationHeaderValue("Bearer", text[..^2] + "xx"));

        Assert.Contains("ada at 127.0.0.1: login password: failed", _log.Text, StringComparison.Ordinal);
        Assert.Contains("- at 127.0.0.1: login key: failed", _log.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("correct horse", _log.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong-secret", _log.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(text[^43..^3], _log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WithoutUsers_EverybodyMayEverything()
    {
        await using var host = await SecuredHost.StartAsync(new SecurityOptions());

        Assert.Equal("'' may, admin", await TextAsync(host, null));
        Assert.Equal("'' may, admin", await TextAsync(host, SecuredHost.Basic("any", "body")));
    }

    private static async Task<string> TextAsync(SecuredHost host, AuthenticationHeaderValue? authorization)
    {
        var answer = await host.SendAsync(authorization);
        var text = await answer.Content.ReadAsStringAsync(Token);
        Assert.True(answer.IsSuccessStatusCode, text);
        return text;
    }

    private static async Task RequireRefusedAsync(SecuredHost host, AuthenticationHeaderValue authorization) =>
        Assert.Equal(HttpStatusCode.Unauthorized, (await host.SendAsync(authorization)).StatusCode);

    private Task<SecuredHost> StartAsync(params UserEntry[] users) => StartAsync(TimeProvider.System, users);

    private async Task<SecuredHost> StartAsync(TimeProvider clock, params UserEntry[] users)
    {
        await _folder.EditAsync(_ => new UsersDocument(users, [UsersFolder.Role("worker", Permission.Send, "orders*")]));
        return await SecuredHost.StartAsync(new SecurityOptions { UsersFile = _folder.File }, clock, _log);
    }
}
