using Millrace.Stomp.Security;
using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>Permissions: for what is asked, and for as long as they are there.</summary>
public sealed class AuthorityTests
{
    private readonly TestAuthority _authority = new();

    [Theory]
    [InlineData("/queue/orders.in", true)]
    [InlineData("/queue/other", false)]
    [InlineData("/topic/orders.in", false)]
    public async Task Send_NeedsThePermission(string destination, bool isAllowed)
    {
        _authority.Add("ada", "p", (StompAccess.Send, StompResource.Queue, "orders.*"));
        await using var broker = await StartAsync();
        await using var client = await ConnectAsync(broker, "ada");
        if (isAllowed)
        {
            await client.ConfirmMessageAsync(destination, "x");
            return;
        }

        await client.SendMessageAsync(destination, "x", "receipt:r");

        var error = await client.ErrorAsync();
        Assert.Equal(("access denied", "r"), (error["message"], error["receipt-id"]));
        Assert.Contains($"'ada' may not send to '{destination}'", error.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/queue/orders.in", true)]
    [InlineData("/dead/orders.in", true)]
    [InlineData("/queue/other", false)]
    [InlineData("/dead/other", false)]
    [InlineData("/topic/orders.in", false)]
    public async Task Subscribe_NeedsThePermission_AlsoForDeadLetters(string destination, bool isAllowed)
    {
        _authority.Add("ada", "p", (StompAccess.Receive, StompResource.Queue, "orders.*"));
        await using var broker = await StartAsync();
        await using var client = await ConnectAsync(broker, "ada");
        if (isAllowed)
        {
            await client.ConfirmAsync("SUBSCRIBE", "id:s", $"destination:{destination}");
            return;
        }

        await client.SendAsync("SUBSCRIBE", "id:s", $"destination:{destination}");

        Assert.Equal("access denied", (await client.ErrorAsync())["message"]);
        Assert.Empty(await broker.Admin.ListQueuesAsync("", null, 100, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Send_InATransaction_NeedsThePermissionToo()
    {
        _authority.Add("ada", "p");
        await using var broker = await StartAsync();
        await using var client = await ConnectAsync(broker, "ada");
        await client.SendAsync("BEGIN", "transaction:t");

        await client.SendMessageAsync("/queue/a", "x", "transaction:t", "receipt:r");

        var error = await client.ErrorAsync();
        Assert.Equal(("access denied", "r"), (error["message"], error["receipt-id"]));
    }

    [Fact]
    public async Task PermissionToSubscribe_IsTakenAway_TheConnectionEnds_AndItsMessagesReturn()
    {
        var ada = _authority.Add("ada", "p", (StompAccess.Receive, StompResource.Queue, "*"), (StompAccess.Send, StompResource.Queue, "*"));
        await using var broker = await StartAsync();
        await using var client = await ConnectAsync(broker, "ada");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/a", "ack:client");
        await client.ConfirmMessageAsync("/queue/a", "x");
        await client.MessageAsync();

        ada.Lose(StompAccess.Receive);

        Assert.Equal("access denied", (await client.ErrorAsync())["message"]);
        await broker.UntilConnectionsAsync(0);
        Assert.Equal(1, (await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken)).Ready);
        Assert.Equal((0, 0), (_authority.OpenCallers, _authority.OpenPermits));
    }

    [Fact]
    public async Task PermissionToSend_IsTakenAway_TheNextMessageIsRefused_EvenIfItsHeadersAreTheSame()
    {
        var ada = _authority.Add("ada", "p", (StompAccess.Send, StompResource.Queue, "*"));
        await using var broker = await StartAsync();
        await using var client = await ConnectAsync(broker, "ada");
        await client.SendMessageAsync("/queue/a", "1", "receipt:r");
        await client.ReceiptAsync("r");
        await client.SendMessageAsync("/queue/a", "2", "receipt:r");
        await client.ReceiptAsync("r");

        ada.Lose(StompAccess.Send);
        await client.SendMessageAsync("/queue/a", "3", "receipt:r");

        var error = await client.ErrorAsync();
        Assert.Equal(("access denied", "r"), (error["message"], error["receipt-id"]));
        Assert.Equal(2, (await broker.Admin.GetStatsAsync("a", TestContext.Current.CancellationToken)).Ready);
    }

    [Fact]
    public async Task UserIsRemoved_TheConnectionEnds()
    {
        var ada = _authority.Add("ada", "p");
        await using var broker = await StartAsync();
        await using var client = await ConnectAsync(broker, "ada");

        await ada.Ended.CancelAsync();

        Assert.Equal("access refused", (await client.ErrorAsync())["message"]);
    }

    [Fact]
    public async Task TemporaryQueues_NeedNoPermission_AndTheirNamesAreIt()
    {
        _authority.Add("asker", "p", (StompAccess.Send, StompResource.Queue, "work"));
        _authority.Add("answerer", "p", (StompAccess.Receive, StompResource.Queue, "work"));
        await using var broker = await StartAsync();
        await using var asker = await ConnectAsync(broker, "asker");
        await using var answerer = await ConnectAsync(broker, "answerer");
        await answerer.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/work");
        await asker.ConfirmMessageAsync("/queue/work", "question", "reply-to:/temp-queue/answers");

        await answerer.ConfirmMessageAsync((await answerer.MessageAsync())["reply-to"]!, "answer");

        Assert.Equal("answer", (await asker.MessageAsync()).Text);
    }

    [Fact]
    public async Task DurableSubscriptions_AreTheUsersOwn_AndGroupsNeedTheirQueue()
    {
        _authority.Add("ada", "p", (StompAccess.Receive, StompResource.Topic, "news"), (StompAccess.Receive, StompResource.Queue, "group/readers"));
        _authority.Add("bob", "p", (StompAccess.Receive, StompResource.Topic, "news"), (StompAccess.Send, StompResource.Topic, "news"));
        await using var broker = await StartAsync();
        await using var ada = await ConnectAsync(broker, "ada");
        await using var bob = await ConnectAsync(broker, "bob");
        await ada.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/news", "durable:true", "client-id:c");
        await bob.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/topic/news", "durable:true", "client-id:c");
        await ada.ConfirmAsync("SUBSCRIBE", "id:g", "destination:/topic/news", "x-durable-group:readers");
        await bob.ConfirmMessageAsync("/topic/news", "x");
        Assert.Equal("x", (await bob.MessageAsync()).Text);
        Assert.Equal(["g", "s"], (await ada.MessagesAsync(2)).Select(message => message["subscription"]).Order());

        await bob.SendAsync("SUBSCRIBE", "id:g", "destination:/topic/news", "x-durable-group:readers");

        Assert.Equal("access denied", (await bob.ErrorAsync())["message"]);
    }

    [Fact]
    public async Task Groups_AreDeletedByThoseWhoManageThemOnly()
    {
        _authority.Add("ada", "p", (StompAccess.Receive, StompResource.Topic, "news"), (StompAccess.Receive, StompResource.Queue, "group/readers"));
        await using var broker = await StartAsync();
        await using var ada = await ConnectAsync(broker, "ada");
        await ada.ConfirmAsync("SUBSCRIBE", "id:g", "destination:/topic/news", "x-durable-group:readers");

        await ada.SendAsync("UNSUBSCRIBE", "id:g", "durable:true");

        Assert.Equal("access denied", (await ada.ErrorAsync())["message"]);
        Assert.Equal(["group/readers"], await broker.Admin.ListQueuesAsync("", null, 100, TestContext.Current.CancellationToken));
    }

    private Task<RunningBroker> StartAsync() => RunningBroker.StartAsync(setup: new() { Authority = _authority });

    private static Task<WireClient> ConnectAsync(RunningBroker broker, string user) => broker.ConnectAsync("1.2", $"login:{user}", "passcode:p");
}
