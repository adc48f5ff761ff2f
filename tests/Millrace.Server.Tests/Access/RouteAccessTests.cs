using System.Net;
using System.Text.Json;
using Millrace.Server.Api;
using Millrace.Server.Security;
using Millrace.Server.Security.Users;
using Millrace.Server.Tests.Stomp;
using Xunit;

namespace Millrace.Server.Tests.Access;

/// <summary>Every route, asked by everybody: who has exactly what it needs, who has exactly one other thing, who has everything elsewhere, and who is nobody.</summary>
public sealed class RouteAccessTests(RouteAccessFixture fixture) : IClassFixture<RouteAccessFixture>
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private AccessNode Node => fixture.Node;

    public static TheoryData<string> Routes => [.. AccessTable.Rows.Keys];

    [Fact]
    public void TheTable_HasEveryRoute()
    {
        Assert.Equal(ApiEndpoints.Routes.Select(KeyOf).Order(StringComparer.Ordinal), AccessTable.Rows.Keys.Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Routes))]
    public async Task WhoHasWhatItNeeds_IsServed(string route)
    {
        foreach (var user in fixture.UsersWho(route))
        {
            var (status, audited, _) = await AskAsync(route, user);

            Assert.True(status < 400, $"{user}: {status}");
            var action = RouteOf(route).AuditedAs;
            Assert.Equal(action is null ? [] : [$"{action} {ResourceOf(route)} done"], audited);
        }
    }

    [Theory]
    [MemberData(nameof(Routes))]
    public async Task WhoHasAnythingElse_IsRefused_AndNothingChanges(string route)
    {
        foreach (var user in fixture.UsersWhoNot(route))
        {
            var (status, audited, problem) = await AskAsync(route, user);

            Assert.Equal((403, "forbidden"), (status, problem));
            var refusal = Assert.Single(audited);
            Assert.StartsWith($"{RouteOf(route).AuditedAs ?? route} {ResourceOf(route)}", refusal, StringComparison.Ordinal);
            Assert.EndsWith(" denied", refusal, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(Routes))]
    public async Task Nobody_IsAskedForCredentials_AndNothingChanges(string route)
    {
        var world = await AccessWorld.MakeAsync(Node.Store, fixture.NextName());
        var before = await world.DescribeAsync();

        using var response = await Node.As(null).SendAsync(AccessTable.RequestOf(route, world, "0"), Token);

        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.Equal(2, response.Headers.WwwAuthenticate.Count);
        Assert.Equal(before, await world.DescribeAsync());
    }

    [Theory]
    [MemberData(nameof(Routes))]
    public async Task AReadingRoute_RefusesHeadAsItDoesGet(string route)
    {
        if (!route.StartsWith("GET", StringComparison.Ordinal) || fixture.UsersWhoNot(route).FirstOrDefault() is not { } user)
        {
            return;
        }

        var world = await AccessWorld.MakeAsync(Node.Store, fixture.NextName());
        var request = AccessTable.RequestOf(route, world, "0");
        request.Method = HttpMethod.Head;

        using var response = await Node.As(user).SendAsync(request, Token);

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
    }

    [Theory]
    [MemberData(nameof(Routes))]
    public async Task AnAdministrativeRoute_ThatFails_IsRecorded(string route)
    {
        if (RouteOf(route).AuditedAs is not { } action)
        {
            return;
        }

        var world = await AccessWorld.MakeAsync(Node.Store, fixture.NextName());
        var request = AccessTable.RequestOf(route, world, "0");
        request.RequestUri = new Uri(request.RequestUri + "?nosuch=1", UriKind.Relative);
        fixture.LastPath = request.RequestUri.OriginalString;
        var user = fixture.UsersWho(route).First();
        var recorded = (await Node.AuditOfAsync(user)).Count;

        using var response = await Node.As(user).SendAsync(request, Token);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        var record = Assert.Single((await Node.AuditOfAsync(user)).Skip(recorded));
        Assert.StartsWith($"{action} {ResourceOf(route)}", record, StringComparison.Ordinal);
        Assert.EndsWith(" failed", record, StringComparison.Ordinal);
    }

    private async Task<(int Status, IReadOnlyList<string> Audited, string? Problem)> AskAsync(string route, string user)
    {
        var world = await AccessWorld.MakeAsync(Node.Store, fixture.NextName());
        var before = await world.DescribeAsync();
        var recorded = (await Node.AuditOfAsync(user)).Count;
        using var request = AccessTable.RequestOf(route, world, await fixture.SubjectOfAsync(user, route));
        fixture.LastPath = request.RequestUri?.OriginalString ?? "";
        using var response = await Node.As(user).SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
        string? problem = null;
        if (!response.IsSuccessStatusCode)
        {
            problem = JsonElement.Parse(await response.Content.ReadAsStringAsync(Token)).GetProperty("code").GetString();
            Assert.Equal(before, await world.DescribeAsync());
        }
        else if (response.Content.Headers.ContentType?.MediaType != "text/event-stream")
        {
            await response.Content.LoadIntoBufferAsync(Token);
        }

        // A stream has the connection for itself; closed, it makes room for what is asked next.
        response.Dispose();
        var audited = (await Node.AuditOfAsync(user)).Skip(recorded).ToList();
        return ((int)response.StatusCode, audited, problem);
    }

    // The names in the path, as people would write them.
    private string ResourceOf(string route)
    {
        var path = fixture.LastPath.Split('?')[0].Split('/');
        var names = route.Split(' ')[1].Split('/').Select((segment, index) => (segment, index)).Where(part => part.segment.StartsWith('{'));
        return string.Join('/', names.Select(part => Uri.UnescapeDataString(path[part.index])));
    }

    private static ApiRoute RouteOf(string key) => ApiEndpoints.Routes.Single(route => KeyOf(route) == key);

    private static string KeyOf(ApiRoute route) => $"{route.Method} {route.Path}";
}

/// <summary>A server whose users have one permission each, or what a route needs; and each has receivers, from a time when it might.</summary>
public sealed class RouteAccessFixture : IAsyncLifetime
{
    private const string Elsewhere = "elsewhere";

    private readonly List<StompClient> _connections = [];
    private readonly Dictionary<(string User, string Route), string> _receivers = [];
    private readonly Dictionary<string, Grant[]> _grants = [];
    private int _worlds;

    internal AccessNode Node { get; private set; } = null!;

    internal string LastPath { get; set; } = "";

    public async ValueTask InitializeAsync()
    {
        foreach (var grants in AccessTable.Rows.Values.SelectMany(row => row.Needs).Concat(Grant.All.Select(grant => new[] { grant })))
        {
            _grants[string.Join('+', grants.Select(grant => grant.Name))] = grants;
        }

        var roles = Grant.All.Select(grant => AccessNode.Role(grant.Name, grant.Permission, grant.Kind))
            .Append(new RoleEntry(Elsewhere, [.. Grant.All.Select(grant => AccessNode.Rule(grant.Permission, grant.Kind, "elsewhere*"))]))
            .Append(AccessNode.Role("opener", Permission.Receive, ResourceKind.Queue));
        var users = _grants.Select(pair => AccessNode.User(pair.Key, [.. pair.Value.Select(grant => grant.Name)])).Append(AccessNode.User(Elsewhere, Elsewhere)).ToList();
        Node = await AccessNode.StartAsync(users.Select(user => user with { Roles = [.. user.Roles, "opener"] }), roles, options =>
        {
            options.Stomp = new StompServerOptions();
            options.Stomp.Urls[0] = "stomp://127.0.0.1:0";
        });
        foreach (var route in AccessTable.Rows.Keys.Where(route => route.Contains("{receiver}", StringComparison.Ordinal)))
        {
            foreach (var user in users)
            {
                using var response = await Node.As(user.Name).PostAsync(new Uri("queues/opened/receivers", UriKind.Relative), null, TestContext.Current.CancellationToken);
                _receivers[(user.Name, route)] = (await RunningServer.ReadJsonAsync(response)).GetProperty("receiver").GetString()!;
            }
        }

        await Node.EditAsync(document => document with { Users = [document.FindUser(AccessNode.Administrator)!, .. users] });
    }

    internal string NextName() => $"w{_worlds++}/ü %2f";

    /// <summary>The id of the receiver, or the connection, that the route is about.</summary>
    internal async Task<string> SubjectOfAsync(string user, string route)
    {
        if (!route.Contains("{connection}", StringComparison.Ordinal))
        {
            return _receivers.GetValueOrDefault((user, route), "");
        }

        var (connection, answer) = await StompClient.ConnectAsync(new Uri(Node.Server.Addresses[1]), $"login:{AccessNode.Administrator}\npasscode:{AccessNode.PasswordOf(AccessNode.Administrator)}\n");
        _connections.Add(connection);
        return answer.Split('\n').Single(line => line.StartsWith("session:", StringComparison.Ordinal))["session:".Length..];
    }

    internal IEnumerable<string> UsersWho(string route) => AccessTable.Rows[route].IsForAdministrators ? [AccessNode.Administrator]
        : _grants.Keys.Append(Elsewhere).Where(user => Has(user, AccessTable.Rows[route]));

    internal IEnumerable<string> UsersWhoNot(string route) => _grants.Keys.Append(Elsewhere).Where(user => !Has(user, AccessTable.Rows[route]));

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in _connections)
        {
            await connection.DisposeAsync();
        }

        await Node.DisposeAsync();
    }

    private bool Has(string user, AccessRow row) => row.IsForEverybody || (user != Elsewhere && row.Needs.Any(needed => needed.All(_grants[user].Contains)));
}
