using Millrace.Server.Security;
using Millrace.Server.Security.Users;
using Millrace.Server.Tests.Access;
using Millrace.Server.Tests.Security;
using Millrace.Testing;
using Xunit;

namespace Millrace.Server.Tests.Stomp;

/// <summary>Who gets in by STOMP, and what for, on a server with users.</summary>
public sealed class ServerAuthorityTests : IDisposable
{
    private const string Wrong = "The login or the passcode is wrong, or the user is disabled, or the key has expired.";

    private readonly UsersFolder _folder = new();

    public static TheoryData<string> Losses => ["removed", "disabled", "another password"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task ANameWithItsPassword_OrAKey_GetsIn()
    {
        var (key, text) = BearerKey.Create("host-7", TimeProvider.System.GetUtcNow(), null);
        await using var server = await StartAsync(UsersFolder.User("ann", "correct horse", "worker") with { Keys = [key] });

        Assert.Equal("CONNECTED ann", await LogInAsync(server, "login:ann\npasscode:correct horse\n"));
        Assert.Equal("CONNECTED ann", await LogInAsync(server, $"passcode:{text}\n"));
        Assert.Equal("CONNECTED ann", await LogInAsync(server, $"login:whoever\npasscode:{text}\n"));
    }

    [Fact]
    public async Task WhateverIsWrong_IsSaidInTheSameWords_AndRecorded()
    {
        var (expired, text) = BearerKey.Create("old", TimeProvider.System.GetUtcNow().AddDays(-2), TimeProvider.System.GetUtcNow().AddDays(-1));
        var (_, unknown) = BearerKey.Create("unknown", TimeProvider.System.GetUtcNow(), null);
        await using var server = await StartAsync(
            UsersFolder.User("ann", "correct horse") with { Keys = [expired] }, UsersFolder.User("bob", "correct horse") with { IsDisabled = true }, UsersFolder.User("eve"));

        (string Headers, string User, string Kind, string Outcome)[] attempts =
        [
            ("login:ann\npasscode:wrong\n", "ann", "password", "failed"),
            ("login:bob\npasscode:correct horse\n", "bob", "password", "failed"),
            ("login:nobody\npasscode:correct horse\n", "nobody", "password", "failed"),
            ("login:eve\npasscode:correct horse\n", "eve", "password", "failed"),
            ("passcode:correct horse\n", "-", "password", "failed"),
            ("login:a:b\npasscode:correct horse\n", "a:b", "password", "malformed"),
            ($"passcode:{text}\n", "-", "key", "failed"),
            ($"login:ann\npasscode:{unknown}\n", "ann", "key", "failed"),
        ];
        foreach (var (headers, _, _, _) in attempts)
        {
            Assert.Equal(Wrong, await LogInAsync(server, headers));
        }

        Assert.Contains("This server has users: send", await LogInAsync(server, ""), StringComparison.Ordinal);
        Assert.Equal(
            attempts.Select(attempt => (attempt.User, "login", attempt.Kind, attempt.Outcome)).Append(("-", "login", "none", "failed")),
            server.Log.Of(2101).Select(entry => (entry.Values["User"]!, entry.Values["Action"]!, entry.Values["Resource"]!, entry.Values["Outcome"]!)));
        Assert.All(server.Log.Of(2101), entry => Assert.Equal("127.0.0.1", entry.Values["Address"]));
        Assert.DoesNotContain("horse", server.Log.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(text, server.Log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AfterFailures_EvenTheRightPassword_WaitsItsTime()
    {
        // A clock that stands: on a slow machine the time would be over before the third login is looked at.
        await _folder.WriteAsync(UsersFolder.User("ann", "correct horse"));
        await using var server = await StompServer.StartAsync(options =>
        {
            options.Security = new SecurityOptions { UsersFile = _folder.File };
            options.TimeProvider = new ManualTimeProvider();
        });
        Assert.Equal(Wrong, await LogInAsync(server, "login:ann\npasscode:wrong 1\n"));
        Assert.Equal(Wrong, await LogInAsync(server, "login:ann\npasscode:wrong 2\n"));

        Assert.Equal("Logins failed before this one, which was not looked at. Try again in 1 s.", await LogInAsync(server, "login:ann\npasscode:correct horse\n"));
        Assert.Equal("delayed", server.Log.Of(2101)[^1].Values["Outcome"]);
    }

    [Fact]
    public async Task WithoutUsers_EverybodyIsAnonymous_WhateverTheySay()
    {
        await using var server = await StompServer.StartAsync();

        Assert.Equal("CONNECTED ", await LogInAsync(server, "login:ann\npasscode:secret\n"));
    }

    [Theory]
    [InlineData("SEND\ndestination:/queue/orders\n\nx\0", true)]
    [InlineData("SEND\ndestination:/queue/mails\n\nx\0", false)]
    [InlineData("SEND\ndestination:/topic/news.eu\n\nx\0", false)]
    [InlineData("SUBSCRIBE\nid:0\ndestination:/queue/orders\n\n\0", false)]
    [InlineData("SUBSCRIBE\nid:0\ndestination:/queue/mails\n\n\0", true)]
    [InlineData("SUBSCRIBE\nid:0\ndestination:/topic/news.eu\n\n\0", true)]
    [InlineData("SUBSCRIBE\nid:0\ndestination:/topic/news.*\n\n\0", true)]
    [InlineData("SUBSCRIBE\nid:0\ndestination:/topic/*\n\n\0", false)]
    public async Task WhatAUserMayDo_IsWhatItsRolesSay(string frame, bool isAllowed)
    {
        await using var server = await StartAsync(UsersFolder.User("ann", "correct horse", "worker"));
        var (client, _) = await StompClient.ConnectAsync(server.Address, "login:ann\npasscode:correct horse\n");
        await using var dispose = client;

        var answer = await client.AskAsync(frame);

        Assert.StartsWith(isAllowed ? "RECEIPT" : "ERROR\nmessage:access denied", answer, StringComparison.Ordinal);
        var denied = server.Log.Of(2101).Select(entry => $"{entry.Values["User"]} {entry.Values["Action"]} {entry.Values["Outcome"]}");
        Assert.Equal(isAllowed ? [] : [$"ann stomp.{(frame.StartsWith("SEND", StringComparison.Ordinal) ? "send" : "receive")} denied"], denied);
    }

    [Theory]
    [MemberData(nameof(Losses))]
    public async Task AConnection_Ends_WhenItsUserWouldNotBeLetIn(string loss)
    {
        await using var server = await StartAsync(UsersFolder.User("ann", "correct horse", "worker"), UsersFolder.User("bob", "correct horse", "worker"));
        var (client, _) = await StompClient.ConnectAsync(server.Address, "login:ann\npasscode:correct horse\n");
        await using var dispose = client;
        var (other, _) = await StompClient.ConnectAsync(server.Address, "login:bob\npasscode:correct horse\n");
        await using var disposeOther = other;

        await _folder.EditAsync(document => loss switch
        {
            "removed" => document.WithoutUser("ann"),
            "disabled" => document.With(document.FindUser("ann")! with { IsDisabled = true }),
            _ => document.With(UsersFolder.User("ann", "another horse", "worker")),
        });

        Assert.StartsWith("ERROR\nmessage:access refused", await client.ReadAsync(), StringComparison.Ordinal);
        Assert.StartsWith("RECEIPT", await other.AskAsync("SEND\ndestination:/queue/orders\n\nx\0"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ASubscription_Ends_WhenTheRightToItDoes_AndNewRightsHoldAtOnce()
    {
        await using var server = await StartAsync(UsersFolder.User("ann", "correct horse", "worker"));
        var (client, _) = await StompClient.ConnectAsync(server.Address, "login:ann\npasscode:correct horse\n");
        await using var dispose = client;
        Assert.StartsWith("RECEIPT", await client.AskAsync("SUBSCRIBE\nid:0\ndestination:/queue/mails\n\n\0"), StringComparison.Ordinal);

        await _folder.EditAsync(document => document.With(AccessNode.Role("worker", Permission.Send, ResourceKind.Queue)));

        Assert.StartsWith("ERROR", await client.ReadAsync(), StringComparison.Ordinal);
        var (again, _) = await StompClient.ConnectAsync(server.Address, "login:ann\npasscode:correct horse\n");
        await using var disposeAgain = again;
        Assert.StartsWith("RECEIPT", await again.AskAsync("SEND\ndestination:/queue/mails\n\nx\0"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AClosedConnection_HoldsNoPermissionsAnyMore()
    {
        await using var server = await StartAsync(UsersFolder.User("ann", "correct horse", "worker"));
        var (client, _) = await StompClient.ConnectAsync(server.Address, "login:ann\npasscode:correct horse\n");
        await using (client)
        {
            await client.AskAsync("SEND\ndestination:/queue/orders\n\nx\0");
            await client.AskAsync("SUBSCRIBE\nid:0\ndestination:/queue/mails\n\n\0");
            Assert.True(server.Server.Instances[0].Standing.Count >= 2);
            Assert.StartsWith("RECEIPT", await client.AskAsync("DISCONNECT\n\n\0"), StringComparison.Ordinal);
            Assert.Null(await client.ReadAsync());
        }

        await server.Log.WaitForAsync(3001);
        Assert.Equal(0, server.Server.Instances[0].Standing.Count);
    }

    private async Task<StompServer> StartAsync(params UserEntry[] users)
    {
        var role = new RoleEntry(
            "worker",
            [
                AccessNode.Rule(Permission.Send, ResourceKind.Queue, "orders*"),
                AccessNode.Rule(Permission.Receive, ResourceKind.Queue, "mails"),
                AccessNode.Rule(Permission.Receive, ResourceKind.Topic, "news.*"),
            ]);
        await _folder.EditAsync(_ => new UsersDocument(users, [role]));
        return await StompServer.StartAsync(options => options.Security = new SecurityOptions { UsersFile = _folder.File });
    }

    // "CONNECTED" and the user, or what the ERROR says.
    private static async Task<string> LogInAsync(StompServer server, string headers)
    {
        var (client, answer) = await StompClient.ConnectAsync(server.Address, headers);
        await using (client)
        {
            return answer.StartsWith("CONNECTED", StringComparison.Ordinal)
                ? $"CONNECTED {server.Broker.ListConnections()[^1].User}"
                : answer[(answer.IndexOf("\n\n", StringComparison.Ordinal) + 2)..].Trim();
        }
    }
}
