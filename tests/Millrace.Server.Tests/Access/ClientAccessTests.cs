using Millrace.Client;
using Millrace.Server.Security;
using Millrace.Server.Security.Users;
using Millrace.Server.Tests.Client;
using Millrace.Storage;
using Xunit;

namespace Millrace.Server.Tests.Access;

/// <summary>What the backend <c>http:</c> makes of credentials that are wrong, and of permissions that are missing.</summary>
public sealed class ClientAccessTests
{
    private const string Ann = "ann";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("://ann:wr0ng-s3cret@")]
    [InlineData("://nobody:wr0ng-s3cret@")]
    [InlineData("://ann@")]
    [InlineData("://")]
    [InlineData("://", "?key=wr0ng-s3cret")]
    [InlineData("://", "?key=mrk_0123456789abcdef_wr0ng-s3cret0123456789012345678901234567890")]
    public async Task Opening_WithWrongCredentials_FailsAtOnce_WithoutASecret(string credentials, string options = "")
    {
        await using var node = await StartAsync();

        var error = await Assert.ThrowsAsync<AccessDeniedException>(
            async () => await TestNode.OpenAsync(node.Url.Replace("://", credentials, StringComparison.Ordinal), options));

        Assert.False(error.IsTransient);
        Assert.Contains(node.Url, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AUser_AndAKey_OpenWhatTheyMayUse()
    {
        var (key, text) = BearerKey.Create("laptop", TimeProvider.System.GetUtcNow(), null);
        await using var node = await StartAsync(key);

        foreach (var url in new[] { node.UrlFor(Ann), node.UrlForKey(text) })
        {
            await using var mill = await MillraceClient.OpenAsync(url, cancellationToken: Token);
            using var done = new CancellationTokenSource();
            await using var worker = mill.Worker<string>("orders", async (_, _, _) => await done.CancelAsync());
            await mill.Queue<string>("orders").SendAsync("one", cancellationToken: Token);
            await worker.RunAsync(done.Token);
        }

        Assert.Empty(await node.AuditOfAsync(Ann));
    }

    [Fact]
    public async Task WhatIsForbidden_IsFinal_OnEveryShape()
    {
        await using var node = await StartAsync();
        await using var backend = await node.OpenAsync(Ann);
        var message = new[] { new Envelope("x"u8.ToArray()) };
        var queues = backend.Require<IQueueStore>();
        Func<ValueTask>[] calls =
        [
            () => queues.EnqueueAsync("secret", message, default, Token),
            async () => await queues.OpenReceiverAsync("secret", new ReceiverOptions(), Token),
            () => queues.SettleAsync("secret", new[] { Settlement.Complete(new LeaseToken(1, 2)) }, new SettleResult[1], Token),
            async () => await backend.Require<IQueueAdmin>().CreateQueueAsync("orders", QueueSettings.Default, Token),
            async () => await backend.Require<IQueueAdmin>().GetStatsAsync("secret", Token),
            async () => await backend.Require<IQueueRouting>().PublishAsync("t", message, Token),
            async () => await backend.Require<IQueueTransactions>().CommitAsync(new QueueTransaction().Enqueue("secret", message[0]), Token),
            async () => await backend.Require<IChannelTransport>().PublishAsync("t", message[0], Token),
            async () => await backend.Require<IChannelTransport>().SubscribeAsync(TopicPattern.Parse("t"), SubscriptionOptions.Default, Token),
            async () => await backend.Require<ILockStore>().TryAcquireAsync("l", "me", TimeSpan.FromSeconds(9), Token),
            async () => await backend.Require<IStateStore>().GetAsync("k", Token),
        ];

        foreach (var call in calls)
        {
            var error = await Assert.ThrowsAsync<AccessDeniedException>(async () => await call());
            Assert.False(error.IsTransient);
            Assert.Contains($"The user '{Ann}' has no permission to", error.Message, StringComparison.Ordinal);
        }

        // Each was asked for once.
        Assert.Equal(calls.Length, (await node.AuditOfAsync(Ann)).Count);
    }

    [Fact]
    public async Task AWaitingReceiver_WhoseUserIsRemoved_EndsWithAFinalError()
    {
        await using var node = await StartAsync();
        await using var backend = await node.OpenAsync(Ann);
        await using var receiver = await backend.Require<IQueueStore>().OpenReceiverAsync("orders", new ReceiverOptions(), Token);

        await node.EditAsync(document => document.WithoutUser(Ann));

        await Assert.ThrowsAsync<AccessDeniedException>(async () => await receiver.LeaseAsync(new Delivery[1], TimeSpan.FromSeconds(30), Token));
    }

    private static Task<AccessNode> StartAsync(params BearerKey[] keys) => AccessNode.StartAsync(
        [AccessNode.User(Ann, "worker") with { Keys = keys }],
        [new("worker", [AccessNode.Rule(Permission.Send, ResourceKind.Queue, "orders"), AccessNode.Rule(Permission.Receive, ResourceKind.Queue, "orders")])]);
}
