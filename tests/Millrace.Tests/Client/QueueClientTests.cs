using System.Text;
using Millrace.Client;
using Millrace.Testing;
using Xunit;

namespace Millrace.Tests.Client;

public sealed class QueueClientTests : IAsyncDisposable
{
    private readonly RecordingStore _store = new();

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AMessage_IsStoredAsJson_WithItsContentType()
    {
        await using var mill = await OpenAsync();

        var result = await mill.Queue<Order>("orders").SendAsync(new Order("A-1", 2), cancellationToken: Token);

        Assert.True(result.IsStored);
        Assert.False(result.Id.IsEmpty);
        Assert.Equal("orders", _store.Calls[0].Destination);
        Assert.Equal("""{"number":"A-1","quantity":2}""", Encoding.UTF8.GetString(_store.Single.Body.Span));
        Assert.Equal("application/json", _store.Single.ContentType);
        Assert.Null(_store.Single.Headers);
    }

    [Fact]
    public async Task EveryWish_ReachesTheStore()
    {
        await using var mill = await OpenAsync();
        var headers = MessageHeaders.Of(("tenant", "acme"), ("source", "web"));

        await mill.Queue<Order>("orders").SendAsync(
            new Order("A-1"),
            new SendOptions { Priority = 9, Delay = TimeSpan.FromSeconds(5), TimeToLive = TimeSpan.FromMinutes(1), Key = "acme", Id = "order-1", Headers = headers, Durability = MessageDurability.None },
            Token);

        var sent = _store.Single;
        Assert.Equal(9, sent.Priority);
        Assert.Equal(TimeSpan.FromSeconds(5), sent.Delay);
        Assert.Equal(TimeSpan.FromMinutes(1), sent.TimeToLive);
        Assert.Equal("acme", sent.Key);
        Assert.Equal("order-1", sent.Id.ToString());
        Assert.Equal(MessageDurability.None, sent.Durability);
        Assert.Equal(headers, sent.Headers);
    }

    [Theory]
    [InlineData(90, 90)]
    [InlineData(-90, 0)]
    public async Task ADueTime_IsTakenByTheClientsClock_AndThePastMeansNow(int dueInSeconds, int expectedDelaySeconds)
    {
        var time = new ManualTimeProvider();
        await using var mill = await OpenAsync(options => options.TimeProvider = time);

        await mill.Queue<Order>("orders").SendAsync(new Order("A-1"), new SendOptions { DueAt = time.GetUtcNow().AddSeconds(dueInSeconds) }, Token);

        Assert.Equal(TimeSpan.FromSeconds(expectedDelaySeconds), _store.Single.Delay);
    }

    public static TheoryData<SendOptions, string> ImpossibleWishes => new()
    {
        { new SendOptions { Delay = TimeSpan.FromSeconds(1), DueAt = DateTimeOffset.UnixEpoch }, "both a delay" },
        { new SendOptions { Delay = TimeSpan.FromSeconds(-1) }, "negative" },
        { new SendOptions { Priority = 10 }, "priority is 10" },
        { new SendOptions { Priority = -1 }, "priority is -1" },
        { new SendOptions { TimeToLive = TimeSpan.Zero }, "time to live" },
        { new SendOptions { TimeToLive = TimeSpan.FromSeconds(1), Delay = TimeSpan.FromSeconds(2) }, "would expire before it is due" },
        { new SendOptions { Key = new string('k', 201) }, "key" },
    };

    [Theory]
    [MemberData(nameof(ImpossibleWishes), DisableDiscoveryEnumeration = true)]
    public async Task AnImpossibleWish_IsRefused_AndNothingIsStored(SendOptions options, string problem)
    {
        await using var mill = await OpenAsync();

        var refusal = await Assert.ThrowsAsync<InvalidMessageException>(async () => await mill.Queue<Order>("orders").SendAsync(new Order("A-1"), options, Token));

        Assert.Contains(problem, refusal.Message, StringComparison.Ordinal);
        Assert.Empty(_store.Calls);
    }

    [Fact]
    public async Task ABatch_IsOneCall_WithAResultForEachMessageInOrder()
    {
        await using var mill = await OpenAsync();
        var orders = mill.Queue<Order>("orders");

        var results = await orders.SendBatchAsync([new Order("1"), new Order("2"), new Order("1")], order => new SendOptions { Id = order.Number, Key = order.Number }, Token);

        Assert.Equal([("1", SendOutcome.Stored), ("2", SendOutcome.Stored), ("1", SendOutcome.Duplicate)], results.Select(result => (result.Id.ToString(), result.Outcome)));
        Assert.Equal(["1", "2", "1"], Assert.Single(_store.Calls).Batch.Select(envelope => envelope.Key));
    }

    [Fact]
    public async Task ABatchWithOneIdForAll_IsRefused()
    {
        await using var mill = await OpenAsync();

        await Assert.ThrowsAsync<InvalidMessageException>(async () =>
            await mill.Queue<Order>("orders").SendBatchAsync([new Order("1"), new Order("2")], new SendOptions { Id = "same" }, Token));
    }

    [Fact]
    public async Task AnEmptyBatch_DoesNothing()
    {
        await using var mill = await OpenAsync();

        Assert.Empty(await mill.Queue<Order>("orders").SendBatchAsync([], cancellationToken: Token));
        Assert.Empty(_store.Calls);
    }

    [Fact]
    public async Task ALargeBatch_KeepsEveryBodyWhole()
    {
        await using var mill = await OpenAsync();
        var texts = Enumerable.Range(0, 1000).Select(i => new string((char)('a' + (i % 26)), i)).ToList();

        await mill.Queue<string>("texts").SendBatchAsync(texts, cancellationToken: Token);

        Assert.Equal(texts, Assert.Single(_store.Calls).Batch.Select(envelope => Encoding.UTF8.GetString(envelope.Body.Span)));
    }

    [Fact]
    public async Task BytesAndTexts_AreSentAsTheyAre()
    {
        await using var mill = await OpenAsync();

        await mill.Queue<byte[]>("bytes").SendAsync([1, 2, 3], cancellationToken: Token);
        await mill.Queue<ReadOnlyMemory<byte>>("bytes").SendAsync(new byte[] { 4, 5 }, cancellationToken: Token);
        await mill.Queue<string>("texts").SendAsync("grüße", cancellationToken: Token);

        var sent = _store.Calls.Select(call => call.Batch[0]).ToList();
        Assert.Equal([1, 2, 3], sent[0].Body.ToArray());
        Assert.Equal([4, 5], sent[1].Body.ToArray());
        Assert.Equal("grüße", Encoding.UTF8.GetString(sent[2].Body.Span));
        Assert.Equal(["application/octet-stream", "application/octet-stream", "text/plain"], sent.Select(envelope => envelope.ContentType));
    }

    [Fact]
    public async Task APublish_SaysHowManyQueuesItReached()
    {
        await using var mill = await OpenAsync();

        Assert.Equal(2, await mill.Topic<Order>("orders.placed").PublishAsync(new Order("A-1"), cancellationToken: Token));
        Assert.Equal("orders.placed", Assert.Single(_store.Calls).Destination);
    }

    [Theory]
    [InlineData("")]
    [InlineData("orders!dead")]
    [InlineData("a\tb")]
    public async Task ABadQueueName_IsRefusedWhenTheQueueIsOpened(string queue)
    {
        await using var mill = await OpenAsync();

        Assert.Throws<InvalidNameException>(() => mill.Queue<Order>(queue));
    }

    [Fact]
    public async Task ABodyOverTheLimit_IsRefused()
    {
        await using var mill = await OpenAsync(options => options.MaxBodyBytes = 10);

        var refusal = await Assert.ThrowsAsync<InvalidMessageException>(async () => await mill.Queue<string>("texts").SendAsync("hello world", cancellationToken: Token));

        Assert.Contains("11 bytes, the limit of this client is 10", refusal.Message, StringComparison.Ordinal);
        Assert.Empty(_store.Calls);
    }

    [Fact]
    public async Task AMessageThatCannotBeWritten_SaysWhichTypeAndWhy()
    {
        await using var mill = await OpenAsync();
        var loop = new Loop();
        loop.Next = loop;

        var fault = await Assert.ThrowsAsync<MessageSerializationException>(async () => await mill.Queue<Loop>("loops").SendAsync(loop, cancellationToken: Token));

        Assert.Contains("Loop cannot be written as application/json", fault.Message, StringComparison.Ordinal);
        Assert.Empty(_store.Calls);
    }

    private ValueTask<MillraceClient> OpenAsync(Action<MillraceClientOptions>? configure = null) =>
        MillraceClient.OpenAsync("recording:", options =>
        {
            options.Backends = _store.Registry();
            configure?.Invoke(options);
        }, Token);

    private sealed class Loop
    {
        public Loop? Next { get; set; }
    }
}
