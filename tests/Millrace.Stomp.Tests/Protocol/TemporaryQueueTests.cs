using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>Temporary queues: requests and replies.</summary>
public sealed class TemporaryQueueTests
{
    [Theory]
    [MemberData(nameof(Matrix.StoresAndVersions), MemberType = typeof(Matrix))]
    public async Task ReplyTo_Alone_SubscribesToIt(string store, string version)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var asker = await broker.ConnectAsync(version);
        await using var answerer = await broker.ConnectAsync("1.2");
        await answerer.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/work");
        for (var i = 0; i < 3; i++)
        {
            await asker.SendMessageAsync("/queue/work", $"question {i}", "reply-to:/temp-queue/answers", $"correlation-id:{i}");
            var question = await answerer.MessageAsync();
            Assert.StartsWith("/reply-queue/", question["reply-to"], StringComparison.Ordinal);

            await answerer.ConfirmMessageAsync(question["reply-to"]!, $"answer {i}", $"correlation-id:{question["correlation-id"]}");

            var answer = await asker.MessageAsync();
            Assert.Equal(($"answer {i}", $"{i}"), (answer.Text, answer["correlation-id"]));
            Assert.Equal("/temp-queue/answers", answer["subscription"]);
            Assert.Equal("/temp-queue/answers", answer["destination"]);
            Assert.Null(answer["ack"]);
        }

        Assert.Single(broker.Describe(asker).Subscriptions);
    }

    [Theory]
    [MemberData(nameof(Matrix.StoresAndVersions), MemberType = typeof(Matrix))]
    public async Task Subscribe_First_TheSubscriptionIsTheClients(string store, string version)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var asker = await broker.ConnectAsync(version);
        await asker.ConfirmAsync("SUBSCRIBE", "id:mine", "destination:/temp-queue/answers", "ack:client");
        await asker.ConfirmMessageAsync("/queue/work", "question", "reply-to:/temp-queue/answers");
        await using var answerer = await broker.ConnectAsync("1.2");
        await answerer.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/work");
        var question = await answerer.MessageAsync();

        await answerer.SendMessageAsync(question["reply-to"]!, "answer");

        var answer = await asker.MessageAsync();
        Assert.Equal(("mine", "/temp-queue/answers"), (answer["subscription"], answer["destination"]));
        await asker.ConfirmAsync("ACK", AcknowledgingTests.NamesOf(asker, answer));
    }

    [Fact]
    public async Task Subscribe_AfterAReplyTo_TakesTheImpliedOnesPlace()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmMessageAsync("/queue/work", "question", "reply-to:/temp-queue/answers");

        await client.ConfirmAsync("SUBSCRIBE", "id:mine", "destination:/temp-queue/answers");

        Assert.Equal("mine", Assert.Single(broker.Describe(client).Subscriptions).Id);
        await client.ConfirmAsync("SUBSCRIBE", "id:work", "destination:/queue/work");
        await client.SendMessageAsync((await client.MessageAsync())["reply-to"]!, "answer");
        Assert.Equal("mine", (await client.MessageAsync())["subscription"]);
    }

    [Theory]
    [InlineData("memory", false)]
    [InlineData("memory", true)]
    [InlineData("sqlite", false)]
    public async Task AskerHasGone_TheReplyIsDropped_AndNoQueueComesBack(string store, bool inTransaction)
    {
        await using var broker = await RunningBroker.StartAsync(store);
        await using var answerer = await broker.ConnectAsync("1.2");
        await answerer.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/work");
        await using (var asker = await broker.ConnectAsync("1.2"))
        {
            await asker.ConfirmMessageAsync("/queue/work", "question", "reply-to:/temp-queue/answers");
            await asker.ConfirmAsync("DISCONNECT");
        }

        var replyTo = (await answerer.MessageAsync())["reply-to"]!;
        await broker.UntilConnectionsAsync(1);
        if (inTransaction)
        {
            await answerer.SendAsync("BEGIN", "transaction:t");
            await answerer.SendMessageAsync(replyTo, "answer", "transaction:t");
            await answerer.ConfirmAsync("COMMIT", "transaction:t");
        }
        else
        {
            await answerer.ConfirmMessageAsync(replyTo, "answer");
        }

        Assert.Equal(["work"], await broker.Admin.ListQueuesAsync("", null, 100, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task ReplyTo_OfAnotherKind_PassesUnchanged()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/work");

        await client.SendMessageAsync("/queue/work", "question", "reply-to:/queue/answers");

        Assert.Equal("/queue/answers", (await client.MessageAsync())["reply-to"]);
    }

    [Fact]
    public async Task NamesOfTwoConnections_AreTwoQueues()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var one = await broker.ConnectAsync("1.2");
        await using var two = await broker.ConnectAsync("1.2");
        await one.ConfirmMessageAsync("/queue/work", "1", "reply-to:/temp-queue/answers");
        await two.ConfirmMessageAsync("/queue/work", "2", "reply-to:/temp-queue/answers");
        await using var answerer = await broker.ConnectAsync("1.2");
        await answerer.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/work");
        foreach (var question in await answerer.MessagesAsync(2))
        {
            await answerer.SendMessageAsync(question["reply-to"]!, $"to {question.Text}");
        }

        Assert.Equal("to 1", (await one.MessageAsync()).Text);
        Assert.Equal("to 2", (await two.MessageAsync()).Text);
    }

    [Fact]
    public async Task ReplyTo_WithTheIdOfAnotherSubscription_IsAnError_AndNoFaultOfTheBroker()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:/temp-queue/answers", "destination:/queue/a");

        await client.SendMessageAsync("/queue/work", "question", "reply-to:/temp-queue/answers");

        Assert.Equal("subscription exists", (await client.ErrorAsync())["message"]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task TemporaryQueues_MoreThanTheLimit_IsAnError(bool byReplyTo)
    {
        await using var broker = await RunningBroker.StartAsync(setup: new() { Options = new() { MaxSubscriptions = 10 } });
        await using var client = await broker.ConnectAsync("1.2");
        for (var i = 0; i < 11; i++)
        {
            if (byReplyTo)
            {
                await client.SendMessageAsync("/queue/work", "question", $"reply-to:/temp-queue/{i}");
            }
            else
            {
                await client.SendAsync("SUBSCRIBE", $"id:{i}", $"destination:/temp-queue/{i}");
                await client.SendAsync("UNSUBSCRIBE", $"id:{i}");
            }
        }

        Assert.StartsWith("too many", (await client.ErrorAsync())["message"], StringComparison.Ordinal);
        await broker.UntilConnectionsAsync(0);
        Assert.Empty(await broker.Admin.ListQueuesAsync("temp/", null, 100, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task ReplyTo_InATransaction_Works()
    {
        await using var broker = await RunningBroker.StartAsync();
        await using var client = await broker.ConnectAsync("1.2");
        await client.ConfirmAsync("SUBSCRIBE", "id:s", "destination:/queue/work");
        await client.SendAsync("BEGIN", "transaction:t");
        await client.SendMessageAsync("/queue/work", "question", "reply-to:/temp-queue/answers", "transaction:t");
        await client.ConfirmAsync("COMMIT", "transaction:t");

        await client.SendMessageAsync((await client.MessageAsync())["reply-to"]!, "answer");

        Assert.Equal("/temp-queue/answers", (await client.MessageAsync())["subscription"]);
    }
}
