using System.Text;
using Millrace.Client;
using Millrace.Server.Security;
using Millrace.Server.Tests.Access;
using Millrace.Storage;
using Millrace.Streams;
using Xunit;

namespace Millrace.Server.Tests.Client;

/// <summary>The streams of a server through its client, beyond what their laws say.</summary>
public sealed class HttpStreamTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ALostAnswer_ToAnAppendOfAProducer_IsAskedForAgain_AndStoresOnce()
    {
        await using var node = await TestNode.StartAsync();
        await using var proxy = new CuttingProxy(node.Url);
        await using var client = await MillraceClient.OpenAsync(proxy.Url, cancellationToken: Token);
        await client.Streams.CreateAsync("s", new StreamSettings(), Token);
        var partition = await client.Streams.OpenPartitionAsync("s", 0, Token);
        proxy.CutAnswers(2);

        var result = await partition.AppendAsync(Records("a", "b") with { ProducerId = "p", FirstSequence = 7 }, Token);

        Assert.Equal(new AppendResult(0, true), result);
        Assert.Equal(2, (await partition.GetStatsAsync(Token)).EndOffset);
    }

    [Fact]
    public async Task ALostAnswer_ToAnyOtherAppend_LeavesItsFateOpen()
    {
        await using var node = await TestNode.StartAsync();
        await using var proxy = new CuttingProxy(node.Url);
        await using var client = await MillraceClient.OpenAsync(proxy.Url, cancellationToken: Token);
        await client.Streams.CreateAsync("s", new StreamSettings(), Token);
        var partition = await client.Streams.OpenPartitionAsync("s", 0, Token);
        proxy.CutAnswers(1);

        var error = await Assert.ThrowsAsync<BackendUnavailableException>(async () => await partition.AppendAsync(Records("a"), Token));

        Assert.True(error.MayHaveBeenApplied);
        Assert.Equal(1, (await partition.GetStatsAsync(Token)).EndOffset);
    }

    [Fact]
    public async Task AStreamThatTheServersOwnerDeletes_IsGoneForItsClients()
    {
        await using var node = await TestNode.StartAsync();
        await using var client = await MillraceClient.OpenAsync(node.Url, cancellationToken: Token);
        await client.Streams.CreateAsync("s", new StreamSettings { Partitions = 2 }, Token);
        var partition = await client.Streams.OpenPartitionAsync("s", 1, Token);
        await partition.AppendAsync(Records("a"), Token);

        await node.Store.Streams.DeleteAsync("s", Token);

        await Assert.ThrowsAsync<StreamNotFoundException>(async () => await partition.AppendAsync(Records("b"), Token));
        Assert.Null(await client.Streams.GetAsync("s", Token));
    }

    [Fact]
    public async Task AUserOfStreams_ReadsAndCommits_WithoutAPermissionForState()
    {
        await using var node = await AccessNode.StartAsync(
            [AccessNode.User("rita", "reader"), AccessNode.User("max", "maker"), AccessNode.User("stan", "stateful")],
            [
                AccessNode.Role("reader", Permission.Receive, ResourceKind.Stream, "orders"),
                AccessNode.Role("maker", Permission.Manage, ResourceKind.Stream, "orders"),
                AccessNode.Role("stateful", Permission.Send, ResourceKind.State),
            ]);
        await using var max = await MillraceClient.OpenAsync(node.UrlFor("max"), cancellationToken: Token);
        await using var rita = await MillraceClient.OpenAsync(node.UrlFor("rita"), cancellationToken: Token);
        await using var stan = await MillraceClient.OpenAsync(node.UrlFor("stan"), cancellationToken: Token);
        await max.Streams.CreateAsync("orders", new StreamSettings(), Token);

        await rita.Streams.SeekGroupAsync("orders", "billing", 0, 0, Token);
        Assert.Single(await rita.Streams.GetGroupAsync("orders", "billing", Token));
        var partition = await rita.Streams.OpenPartitionAsync("orders", 0, Token);
        await Assert.ThrowsAsync<AccessDeniedException>(async () => await partition.AppendAsync(Records("x"), Token));
        await Assert.ThrowsAsync<AccessDeniedException>(async () => await rita.Streams.SetRetentionAsync("orders", new StreamRetention { MaxRecords = 1 }, Token));
        await Assert.ThrowsAsync<AccessDeniedException>(async () => await rita.Streams.CreateAsync("other", new StreamSettings(), Token));

        var state = stan.Require<IStateStore>();
        await state.PutAsync("mine", new byte[1], null, Token);
        await Assert.ThrowsAsync<AccessDeniedException>(async () => await state.PutAsync("!stream!orders", new byte[1], null, Token));
        await Assert.ThrowsAsync<AccessDeniedException>(async () => await state.DeleteAsync("!group!orders!billing!p!0000", null, Token));
    }

    [Fact]
    public async Task AClient_DoesNotSayWhereAServerKeepsItsFiles()
    {
        await using var node = await TestNode.StartAsync();
        await using var client = await MillraceClient.OpenAsync(node.Url, cancellationToken: Token);

        var error = await Assert.ThrowsAsync<MillraceConfigurationException>(async () => await client.Streams.CreateAsync("s", new StreamSettings { Path = "/elsewhere" }, Token));

        Assert.Contains("path", error.Message, StringComparison.Ordinal);
        Assert.Null(await node.Store.Streams.GetAsync("s", Token));
    }

    private static AppendRequest Records(params string[] texts) => new(Array.ConvertAll(texts, text => new StreamRecord { Body = Encoding.UTF8.GetBytes(text) }));
}
