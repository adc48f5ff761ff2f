using System.Net;
using System.Text;
using System.Text.Json;
using Millrace.Server.Security;
using Millrace.Storage;
using Xunit;

namespace Millrace.Server.Tests.Access;

/// <summary>What a user sees of others, and what happens to what a user has when the users file changes.</summary>
public sealed class OwnershipTests
{
    private const string Ann = "ann";
    private const string Bob = "bob";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Lists_ShowOnlyWhatTheCallerMaySee()
    {
        await using var node = await StartAsync();
        foreach (var queue in new[] { "a1", "a2", "b1", "b2", "c", "d", "z" })
        {
            await node.Store.Require<IQueueAdmin>().CreateQueueAsync(queue, QueueSettings.Default, Token);
            await node.Store.Require<IQueueRouting>().BindAsync(queue, TopicPattern.Parse($"to-{queue}"), Token);
        }

        Assert.Equal(["a1", "a2", "z"], await NamesAsync(node, Ann, "queues", "queues"));
        Assert.Equal(["b1", "b2"], await NamesAsync(node, Bob, "queues", "queues"));
        Assert.Equal(["to-a1", "to-a2", "to-z"], (await GetAsync(node, Ann, "bindings")).GetProperty("bindings").EnumerateArray().Select(binding => binding.GetProperty("pattern").GetString()));
        Assert.Empty((await GetAsync(node, Ann, "bindings?queue=b1")).GetProperty("bindings").EnumerateArray());

        // Page by page, nothing tells what lies between.
        var pages = new List<string>();
        string? after = null;
        do
        {
            var page = await GetAsync(node, Ann, $"queues?limit=1{(after is null ? "" : "&after=" + after)}");
            pages.Add(page.ToString());
            after = page.GetProperty("next").GetString();
        }
        while (after is not null);
        Assert.Equal(["""{"queues":["a1"],"next":"a1"}""", """{"queues":["a2"],"next":"a2"}""", """{"queues":["z"],"next":"z"}""", """{"queues":[],"next":null}"""], pages);

        await using var backend = await node.OpenAsync(Ann);
        Assert.Equal(["a1", "a2", "z"], await backend.Require<IQueueAdmin>().ListQueuesAsync(limit: 10, cancellationToken: Token));
    }

    [Fact]
    public async Task WhatIsThere_AndWhatIsNot_AreRefusedAlike()
    {
        await using var node = await StartAsync();
        await node.Store.Require<IQueueAdmin>().CreateQueueAsync("b1", QueueSettings.Default, Token);

        var there = await RefusalAsync(node, "queues/b1/stats");
        var missing = await RefusalAsync(node, "queues/b9/stats");

        Assert.Equal(there.Replace("b1", "b9", StringComparison.Ordinal), missing);
    }

    [Fact]
    public async Task AReceiver_IsItsUsersOwn()
    {
        await using var node = await StartAsync();
        var receiver = await OpenReceiverAsync(node, Ann, "a1");

        foreach (var user in new[] { Bob, AccessNode.Administrator })
        {
            Assert.Equal((HttpStatusCode.NotFound, "receiver-not-found"), await PostAsync(node, user, $"receivers/{receiver}/lease", """{"call":1}"""));
            Assert.Equal((HttpStatusCode.NotFound, "receiver-not-found"), await PostAsync(node, user, $"receivers/{receiver}/renew", null));
            Assert.Equal((HttpStatusCode.NotFound, "receiver-not-found"), await PostAsync(node, user, $"receivers/{receiver}/cancel", """{"call":1}"""));
            using var closing = await node.As(user).DeleteAsync(new Uri($"receivers/{receiver}", UriKind.Relative), Token);
            Assert.Equal(HttpStatusCode.NotFound, closing.StatusCode);
        }

        Assert.Equal((HttpStatusCode.OK, ""), await PostAsync(node, Ann, $"receivers/{receiver}/lease", """{"call":1}"""));
    }

    [Fact]
    public async Task AReceiver_WhoseUserLostThePermission_IsRefusedAtItsNextCall_AndCanBeClosed()
    {
        await using var node = await StartAsync();
        await node.Store.Require<IQueueStore>().EnqueueAsync("a1", new[] { new Envelope("x"u8.ToArray()) }, default, Token);
        var receiver = await OpenReceiverAsync(node, Ann, "a1");
        Assert.Equal((HttpStatusCode.OK, ""), await PostAsync(node, Ann, $"receivers/{receiver}/lease", """{"call":1}"""));

        await node.EditAsync(document => document.With(AccessNode.User(Ann, "sees-b")));

        Assert.Equal((HttpStatusCode.Forbidden, "forbidden"), await PostAsync(node, Ann, $"receivers/{receiver}/lease", """{"call":2}"""));
        Assert.Equal((HttpStatusCode.Forbidden, "forbidden"), await PostAsync(node, Ann, $"receivers/{receiver}/renew", null));
        using var closing = await node.As(Ann).DeleteAsync(new Uri($"receivers/{receiver}", UriKind.Relative), Token);
        Assert.Equal(HttpStatusCode.NoContent, closing.StatusCode);
        Assert.Equal(1, (await node.Store.Require<IQueueAdmin>().GetStatsAsync("a1", Token)).Ready);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AUserWhoIsRemovedOrDisabled_IsRefusedAtTheNextRequest(bool isRemoved)
    {
        await using var node = await StartAsync();
        await GetAsync(node, Ann, "queues");

        await node.EditAsync(document => isRemoved ? document.WithoutUser(Ann) : document.With(document.FindUser(Ann)! with { IsDisabled = true }));

        using var response = await node.As(Ann).GetAsync(new Uri("queues", UriKind.Relative), Token);
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
    }

    private static Task<AccessNode> StartAsync() => AccessNode.StartAsync(
        [AccessNode.User(Ann, "sees-a"), AccessNode.User(Bob, "sees-b")],
        [
            new("sees-a", [AccessNode.Rule(Permission.Receive, ResourceKind.Queue, "a*"), AccessNode.Rule(Permission.Send, ResourceKind.Queue, "z")]),
            AccessNode.Role("sees-b", Permission.Manage, ResourceKind.Queue, "b*"),
        ]);

    private static async Task<string> OpenReceiverAsync(AccessNode node, string user, string queue)
    {
        using var response = await node.As(user).PostAsync(new Uri($"queues/{queue}/receivers", UriKind.Relative), null, Token);
        return (await RunningServer.ReadJsonAsync(response)).GetProperty("receiver").GetString()!;
    }

    private static async Task<string[]> NamesAsync(AccessNode node, string user, string path, string member) =>
        [.. (await GetAsync(node, user, path)).GetProperty(member).EnumerateArray().Select(name => name.GetString()!)];

    private static async Task<JsonElement> GetAsync(AccessNode node, string user, string path) => JsonElement.Parse(await node.As(user).GetStringAsync(new Uri(path, UriKind.Relative), Token));

    private static async Task<string> RefusalAsync(AccessNode node, string path)
    {
        using var response = await node.As(Ann).GetAsync(new Uri(path, UriKind.Relative), Token);
        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        return await response.Content.ReadAsStringAsync(Token);
    }

    private static async Task<(HttpStatusCode Status, string Problem)> PostAsync(AccessNode node, string user, string path, string? json)
    {
        using var content = json is null ? null : new StringContent(json, Encoding.UTF8, "application/json");
        using var response = await node.As(user).PostAsync(new Uri(path, UriKind.Relative), content, Token);
        var answer = JsonElement.Parse(await response.Content.ReadAsStringAsync(Token));
        return (response.StatusCode, response.IsSuccessStatusCode ? "" : answer.GetProperty("code").GetString()!);
    }
}
