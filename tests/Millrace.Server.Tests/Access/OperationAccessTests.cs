using System.Text.Json;
using Millrace.Server.Security;
using Xunit;

namespace Millrace.Server.Tests.Access;

/// <summary>Requests with several operations: each needs what it would need alone, and one that is refused is its own affair, or the whole transaction's.</summary>
public sealed class OperationAccessTests(OperationAccessFixture fixture) : IClassFixture<OperationAccessFixture>
{
    private static readonly (string Kind, Grant Needed, Func<AccessWorld, string> Operation)[] Operations =
    [
        ("enqueue", new(Permission.Send, ResourceKind.Queue), world => $$"""{"op":"enqueue","queue":"{{world.Name}}","messages":[{"text":"a"}]}"""),
        ("settle", new(Permission.Receive, ResourceKind.Queue), world => $$"""{"op":"settle","queue":"{{world.Name}}","settlements":[{{SettlementOf(world)}}]}"""),
        ("broadcast", new(Permission.Send, ResourceKind.Topic), world => $$"""{"op":"broadcast","topic":"{{world.Topic}}","message":{{TextMessage}}}"""),
    ];

    private static readonly (string Kind, Grant Needed, Func<AccessWorld, string> Operation)[] Parts =
    [
        ("enqueue", new(Permission.Send, ResourceKind.Queue), world => $$"""{"op":"enqueue","queue":"{{world.Name}}","message":{{TextMessage}}}"""),
        ("publish", new(Permission.Send, ResourceKind.Topic), world => $$"""{"op":"publish","topic":"{{world.Topic}}","message":{{TextMessage}}}"""),
        ("settle", new(Permission.Receive, ResourceKind.Queue), world => $$"""{"op":"settle","queue":"{{world.Name}}","settlement":{{SettlementOf(world)}}}"""),
    ];

    private const string TextMessage = """{"text":"a"}""";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private AccessNode Node => fixture.Node;

    public static TheoryData<string> OperationKinds => [.. Operations.Select(row => row.Kind)];

    public static TheoryData<string> PartKinds => [.. Parts.Select(row => row.Kind)];

    [Theory]
    [MemberData(nameof(OperationKinds))]
    public async Task AnOperation_NeedsItsOwnPermission(string kind)
    {
        var (_, needed, operation) = Operations.Single(row => row.Kind == kind);
        foreach (var grant in Grant.All)
        {
            var world = await AccessWorld.MakeAsync(Node.Store, fixture.NextName());
            var before = await world.DescribeAsync();
            var recorded = (await Node.AuditOfAsync(grant.Name)).Count;

            var (status, answer) = await PostAsync(grant.Name, "operations", operation(world));

            Assert.Equal(200, status);
            var result = Assert.Single(answer.GetProperty("results").EnumerateArray());
            var audited = (await Node.AuditOfAsync(grant.Name)).Skip(recorded);
            if (grant == needed)
            {
                Assert.True(result.TryGetProperty("result", out var _), result.ToString());
                Assert.NotEqual(before, await world.DescribeAsync());
                Assert.Empty(audited);
            }
            else
            {
                Assert.Equal("forbidden", result.GetProperty("problem").GetProperty("code").GetString());
                Assert.Equal(before, await world.DescribeAsync());
                Assert.Equal($"{kind} {(kind == "broadcast" ? world.Topic : world.Name)} denied", Assert.Single(audited));
            }
        }
    }

    [Theory]
    [MemberData(nameof(PartKinds))]
    public async Task APartOfATransaction_NeedsItsOwnPermission(string kind)
    {
        var (_, needed, operation) = Parts.Single(row => row.Kind == kind);
        foreach (var grant in Grant.All)
        {
            var world = await AccessWorld.MakeAsync(Node.Store, fixture.NextName());
            var before = await world.DescribeAsync();

            var (status, answer) = await PostAsync(grant.Name, "transactions", operation(world));

            if (grant == needed)
            {
                Assert.True(status == 200, answer.ToString());
                Assert.NotEqual(before, await world.DescribeAsync());
            }
            else
            {
                Assert.Equal((403, "forbidden"), (status, answer.GetProperty("code").GetString()));
                Assert.Equal(before, await world.DescribeAsync());
            }
        }
    }

    [Fact]
    public async Task OneThatIsRefused_LeavesTheOthersAlone()
    {
        var world = await AccessWorld.MakeAsync(Node.Store, fixture.NextName());

        var (_, answer) = await PostAsync(new Grant(Permission.Send, ResourceKind.Queue).Name, "operations", string.Join(',', Operations.Select(row => row.Operation(world))));

        Assert.Equal(["result", "problem", "problem"], answer.GetProperty("results").EnumerateArray().Select(result => result.EnumerateObject().Single().Name));
    }

    [Fact]
    public async Task ATransaction_WithOnePartThatIsRefused_IsRefusedWhole_AndRecordedWithIt()
    {
        var world = await AccessWorld.MakeAsync(Node.Store, fixture.NextName());
        var before = await world.DescribeAsync();
        var user = new Grant(Permission.Send, ResourceKind.Queue).Name;
        var recorded = (await Node.AuditOfAsync(user)).Count;

        var (status, _) = await PostAsync(user, "transactions", $"{Parts[0].Operation(world)},{Parts[1].Operation(world)}");

        Assert.Equal(403, status);
        Assert.Equal(before, await world.DescribeAsync());
        Assert.Equal($"POST transactions {world.Topic} denied", Assert.Single((await Node.AuditOfAsync(user)).Skip(recorded)));
    }

    private async Task<(int Status, JsonElement Answer)> PostAsync(string user, string path, string operations)
    {
        using var content = new StringContent($$"""{"operations":[{{operations}}]}""", System.Text.Encoding.UTF8, "application/json");
        using var response = await Node.As(user).PostAsync(new Uri(path, UriKind.Relative), content, Token);
        return ((int)response.StatusCode, JsonElement.Parse(await response.Content.ReadAsStringAsync(Token)));
    }

    private static string SettlementOf(AccessWorld world) => $$"""{"token":"{{world.LeasedText}}"}""";
}

/// <summary>A server whose users have one permission each.</summary>
public sealed class OperationAccessFixture : IAsyncLifetime
{
    private int _worlds;

    internal AccessNode Node { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Node = await AccessNode.StartAsync(
        Grant.All.Select(grant => AccessNode.User(grant.Name, grant.Name)),
        Grant.All.Select(grant => AccessNode.Role(grant.Name, grant.Permission, grant.Kind)));

    internal string NextName() => $"t{_worlds++}";

    public ValueTask DisposeAsync() => Node.DisposeAsync();
}
