using Millrace.Storage;
using Xunit;

namespace Millrace.Testing.Queues;

/// <summary>The laws R1 and R2 of <see cref="IQueueRouting"/>. Derive from it to prove a queue store.</summary>
/// <typeparam name="TFixture">The backend under test.</typeparam>
public abstract class QueueRoutingConformance<TFixture> : QueueSuite<TFixture>
    where TFixture : BackendFixture, new()
{
    private IQueueRouting Routing => Contract<IQueueRouting>();

    // Topics of this test alone, as the store may be shared with others.
    private string Topic => Queue + ".orders";

    private string OtherQueue => Queue + "-2";

    [Fact]
    public async Task R1_APublish_ReachesEachBoundQueueOnce()
    {
        await BindAsync(Queue, Topic);
        await BindAsync(OtherQueue, Queue + ".*");
        await BindAsync(Queue + "-3", Queue + ".invoices");
        Assert.Equal(2, await PublishAsync(Topic, Make("a"), Make("b")));
        Assert.Equal(["a", "b"], await DrainAsync());
        Assert.Equal(["a", "b"], await DrainAsync(OtherQueue));
        Assert.Empty(await DrainAsync(Queue + "-3"));
    }

    [Fact]
    public async Task R1_SeveralMatchingBindingsOfAQueue_DeliverOnce()
    {
        await BindAsync(Queue, Topic);
        await BindAsync(Queue, Queue + ".*");
        await BindAsync(Queue, Queue + ".o?ders");
        Assert.Equal(1, await PublishAsync(Topic, Make("m")));
        Assert.Equal(["m"], await DrainAsync());
    }

    [Fact]
    public async Task R1_ARetryWithTheSameIds_StoresEachMessageOnceAQueue()
    {
        Require(QueueFeatures.Deduplication);
        await BindAsync(Queue, Topic);
        await PublishAsync(Topic, Make("m", id: "x"));
        await BindAsync(OtherQueue, Topic);
        Assert.Equal(2, await PublishAsync(Topic, Make("m", id: "x")));
        Assert.Equal(["m"], await DrainAsync());
        Assert.Equal(["m"], await DrainAsync(OtherQueue));
    }

    [Fact]
    public async Task R1_APublishWithoutABinding_ReachesNoneAndIsNoError() => Assert.Equal(0, await PublishAsync(Topic, Make("m")));

    [Fact]
    public async Task R1_APublishedMessage_HasEverythingItWasSentWith()
    {
        await BindAsync(Queue, Topic);
        var headers = MessageHeaders.Create(new KeyValuePair<string, string>("h", "1"));
        await PublishAsync(Topic, Make("m", 8, "k", Clock.Unit, 3 * Clock.Unit, "x") with { ContentType = "text/plain", Headers = headers });
        var receiver = await OpenAsync();
        await AssertNothingReadyAsync(receiver);
        await PassAsync(Clock.Unit);
        var message = (await TakeAsync(receiver, "m")).Message;
        Assert.Equal((new MessageId("x"), 8, "k", "text/plain"), (message.Id, message.Priority, message.Key, message.ContentType));
        Assert.Equal(headers.ToArray(), message.Headers.ToArray());
        Assert.NotNull(message.ExpiresAt);
    }

    [Fact]
    public async Task R1_AFullQueue_FailsThePublish_AndAStoreWithTransactionsHasStoredNothing()
    {
        Require(QueueFeatures.Bounds);
        await CreateAsync(new QueueSettings { MaxLength = 1 });
        await BindAsync(OtherQueue, Topic);
        await BindAsync(Queue, Topic);
        Assert.Equal(2, await PublishAsync(Topic, Make("fits")));
        await Assert.ThrowsAsync<QueueFullException>(() => PublishAsync(Topic, Make("does not")));
        Assert.Equal(["fits"], await DrainAsync());
        if (Backend.Find<IQueueTransactions>() is not null)
        {
            Assert.Equal(["fits"], await DrainAsync(OtherQueue));
        }
    }

    [Fact]
    public async Task R1_ABadMessageOrTopic_StoresNothing()
    {
        await BindAsync(Queue, Topic);
        await Assert.ThrowsAsync<InvalidMessageException>(() => PublishAsync(Topic, Make("good"), Make("bad", 10)));
        await Assert.ThrowsAsync<InvalidNameException>(() => PublishAsync("", Make("m")));
        await Assert.ThrowsAsync<InvalidNameException>(() => PublishAsync("a\nb", Make("m")));
        Assert.Empty(await DrainAsync());
    }

    [Fact]
    public async Task R1_ThePublishersBuffers_AreNotReadAfterTheCall()
    {
        await BindAsync(Queue, Topic);
        await BindAsync(OtherQueue, Topic);
        var body = "original"u8.ToArray();
        await PublishAsync(Topic, new Envelope(body));
        body.AsSpan().Fill((byte)'X');
        Assert.Equal(["original"], await DrainAsync());
        Assert.Equal(["original"], await DrainAsync(OtherQueue));
    }

    [Fact]
    public async Task R1_AnEmptyBatch_StoresNothing()
    {
        await BindAsync(Queue, Topic);
        await PublishAsync(Topic);
        Assert.Empty(await DrainAsync());
    }

    [Fact]
    public async Task R1_APublish_WakesAWaitingLease()
    {
        await BindAsync(Queue, Topic);
        var waiting = WaitAsync(await OpenAsync());
        await StillWaits(waiting);
        await PublishAsync(Topic, Make("m"));
        Assert.Equal("m", Text(await Soon(waiting)));
    }

    [Fact]
    public async Task R2_Binding_IsIdempotent_AndCreatesTheQueue()
    {
        await BindAsync(Queue, Topic);
        await BindAsync(Queue, Topic);
        await AssertDepthsAsync();
        Assert.Equal([new QueueBinding(Queue, TopicPattern.Parse(Topic))], await Soon(Routing.ListBindingsAsync(Queue, Cancellation)));
        Assert.Equal(1, await PublishAsync(Topic, Make("m")));
        Assert.Equal(["m"], await DrainAsync());
    }

    [Fact]
    public async Task R2_APublishAfterBindHasReturned_IsSeen()
    {
        for (var i = 0; i < 50; i++)
        {
            await BindAsync($"{Queue}-{i}", Topic);
            Assert.Equal(i + 1, await PublishAsync(Topic, Make("m")));
        }
    }

    [Fact]
    public async Task R2_Unbinding_EndsIt_AndTellsWhetherThereWasABinding()
    {
        await BindAsync(Queue, Topic);
        await BindAsync(Queue, Queue + ".*");
        Assert.True(await UnbindAsync(Queue, Topic));
        Assert.False(await UnbindAsync(Queue, Topic));
        Assert.False(await UnbindAsync(Queue, Queue + ".?"));
        Assert.Equal(1, await PublishAsync(Topic, Make("still matched")));
        Assert.True(await UnbindAsync(Queue, Queue + ".*"));
        Assert.Equal(0, await PublishAsync(Topic, Make("no more")));
        Assert.Equal(["still matched"], await DrainAsync());
    }

    [Fact]
    public async Task R2_Bindings_AreListedByQueueThenPattern()
    {
        await BindAsync(OtherQueue, "b" + Queue);
        await BindAsync(Queue, "c" + Queue);
        await BindAsync(Queue, "B" + Queue);
        await BindAsync(Queue, "a" + Queue);
        (string Queue, string Pattern)[] expected = [(Queue, "B" + Queue), (Queue, "a" + Queue), (Queue, "c" + Queue), (OtherQueue, "b" + Queue)];
        Assert.Equal(expected[..3], (await Soon(Routing.ListBindingsAsync(Queue, Cancellation))).Select(Plain));
        var all = (await Soon(Routing.ListBindingsAsync(cancellationToken: Cancellation))).Select(Plain);
        Assert.Equal(expected, all.Where(binding => binding.Queue.StartsWith(Queue, StringComparison.Ordinal)));

        static (string Queue, string Pattern) Plain(QueueBinding binding) => (binding.Queue, binding.Pattern.Text);
    }

    [Fact]
    public async Task R2_DeletingAQueue_EndsItsBindings()
    {
        await BindAsync(Queue, Topic);
        await Soon(Admin.DeleteQueueAsync(Queue, Cancellation));
        Assert.Equal(0, await PublishAsync(Topic, Make("m")));
        Assert.Empty(await Soon(Routing.ListBindingsAsync(Queue, Cancellation)));
        await SendTextsAsync("new life");
        Assert.Equal(0, await PublishAsync(Topic, Make("m")));
    }

    [Fact]
    public async Task R2_ABadQueueName_IsRefused()
    {
        await Assert.ThrowsAsync<InvalidNameException>(() => BindAsync("a!b", Topic));
        await Assert.ThrowsAsync<InvalidNameException>(() => BindAsync(DeadQueue, Topic));
    }

    [Fact]
    public async Task C2_Bindings_SpeakTheOnePatternLanguage()
    {
        var matched = new Dictionary<string, string[]>
        {
            [".*"] = [".", ".a", ".ab", ".b.c", ".[x]", ".A"],
            [".?"] = [".a", ".A"],
            [".[ab]*"] = [".a", ".ab", ".b.c"],
            [".[!a]*"] = [".b.c", ".[x]", ".A"],
            [".[[]x]"] = [".[x]"],
            [".a"] = [".a"],
            [".#"] = [],
        };
        string[] topics = [".", ".a", ".ab", ".b.c", ".[x]", ".A"];
        foreach (var (pattern, expected) in matched)
        {
            await BindAsync(Queue, Queue + pattern);
            foreach (var topic in topics)
            {
                await PublishAsync(Queue + topic, Make(topic));
            }

            Assert.Equal((pattern, string.Join(' ', expected)), (pattern, string.Join(' ', await DrainAsync())));
            await UnbindAsync(Queue, Queue + pattern);
        }
    }

    [Fact]
    public async Task R2_Bindings_SurviveReopening()
    {
        RequireReopening();
        await BindAsync(Queue, Topic);
        await ReopenAsync();
        Assert.Equal(1, await PublishAsync(Topic, Make("m")));
        Assert.Equal(["m"], await DrainAsync());
    }

    [Fact]
    public async Task R2_ABindingOfOneOpening_HoldsForTheOther()
    {
        var other = (await ShareAsync()).Require<IQueueRouting>();
        Assert.Equal(0, await Soon(other.PublishAsync(Topic, new[] { Make("too early") }, Cancellation)));
        await BindAsync(Queue, Topic);
        Assert.Equal(1, await Soon(other.PublishAsync(Topic, new[] { Make("m") }, Cancellation)));
        Assert.True(await UnbindAsync(Queue, Topic));
        Assert.Equal(0, await Soon(other.PublishAsync(Topic, new[] { Make("too late") }, Cancellation)));
        Assert.Equal(["m"], await DrainAsync());
    }

    private Task BindAsync(string queue, string pattern) => Soon(Routing.BindAsync(queue, TopicPattern.Parse(pattern), Cancellation));

    private Task<bool> UnbindAsync(string queue, string pattern) => Soon(Routing.UnbindAsync(queue, TopicPattern.Parse(pattern), Cancellation));

    private Task<int> PublishAsync(string topic, params Envelope[] batch) => Soon(Routing.PublishAsync(topic, batch, Cancellation));
}
