using System.Globalization;
using Millrace.Storage;
using Millrace.Storage.InMemory;
using Millrace.Testing;
using Xunit;

namespace Millrace.Tests.Storage.InMemory;

/// <summary>What the in-memory queue promises beyond the laws, and the laws where they meet.</summary>
public sealed class InMemoryQueueTests : IAsyncLifetime
{
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(30);
    private readonly ManualTimeProvider _time = new();
    private Backend _backend = null!;
    private IQueueStore _store = null!;
    private IQueueAdmin _admin = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _backend = await InMemoryBackend.OpenAsync(BackendUrl.Parse("memory:"), new BackendContext { TimeProvider = _time }, Token);
        _store = _backend.Require<IQueueStore>();
        _admin = _backend.Require<IQueueAdmin>();
    }

    public ValueTask DisposeAsync() => _backend.DisposeAsync();

    [Fact]
    public async Task StoreAssignedIds_Rise_AreUnique_AndFindTheirMessage()
    {
        var ids = new List<MessageId>();
        for (var i = 0; i < 3000; i++)
        {
            ids.Add(await SendAsync(new Envelope(Body(i))));
            _time.Advance(TimeSpan.FromMicroseconds(100));
        }

        Assert.Equal(ids.Count, ids.Distinct().Count());
        Assert.Equal(ids.Select(id => id.ToString()).Order(StringComparer.Ordinal), ids.Select(id => id.ToString()));
        foreach (var index in (int[])[0, 1500, 2999])
        {
            var found = await _admin.GetMessageAsync("q", ids[index], Token);
            Assert.Equal(index, Number(found!.Message));
            Assert.True(ids[index].TryGetUuid(out var uuid));
            Assert.Equal(7, uuid.Version);
        }

        Assert.Null(await _admin.GetMessageAsync("q", new MessageId(Guid.NewGuid()), Token));
    }

    [Fact]
    public async Task AStoreAssignedId_FollowsItsMessage_IntoTheDeadLetters_AndBack()
    {
        var id = await SendAsync(new Envelope(Body(1)));
        await using var receiver = await _store.OpenReceiverAsync("q", new ReceiverOptions(), Token);
        var delivery = Assert.Single(await LeaseAsync(receiver, 10));
        Assert.Equal([SettleResult.Settled], await SettleAsync("q", Settlement.DeadLetter(delivery.Token, "broken", "boom")));

        Assert.Null(await _admin.GetMessageAsync("q", id, Token));
        Assert.Equal("broken", (await _admin.GetMessageAsync("q!dead", id, Token))!.Message.DeadLetter!.Reason);
        Assert.Equal(1, await _admin.RedriveAsync("q", DeadLetterFilter.All, Token));
        Assert.Null((await _admin.GetMessageAsync("q", id, Token))!.Message.DeadLetter);
        Assert.Null(await _admin.GetMessageAsync("q!dead", id, Token));
    }

    [Fact]
    public async Task ALeaseThatEnds_WakesAWaiter_WithoutAnybodyLooking()
    {
        await SendAsync(new Envelope(Body(1)));
        await using var first = await _store.OpenReceiverAsync("q", new ReceiverOptions { LeaseDuration = Lease }, Token);
        await using var second = await _store.OpenReceiverAsync("q", new ReceiverOptions { LeaseDuration = Lease }, Token);
        Assert.Single(await LeaseAsync(first, 1));
        var into = new Delivery[1];
        var waiting = second.LeaseAsync(into, Timeout.InfiniteTimeSpan, Token);

        _time.Advance(Lease - TimeSpan.FromMilliseconds(1));
        Assert.False(waiting.IsCompleted);
        _time.Advance(TimeSpan.FromMilliseconds(1));

        Assert.Equal(1, await waiting);
        Assert.Equal(2, into[0].Attempt);
        Assert.True(into[0].Redelivered);
    }

    [Fact]
    public async Task Q8_AReturnedHead_KeepsItsKeyBlocked_WhileOtherKeysGoOn()
    {
        await SendAsync(new Envelope(Body(1)) { Key = "a" }, new Envelope(Body(2)) { Key = "a", Priority = 9 }, new Envelope(Body(3)) { Key = "b" });
        await using var receiver = await _store.OpenReceiverAsync("q", new ReceiverOptions(), Token);

        var leased = await LeaseAsync(receiver, 10);
        Assert.Equal([1, 3], leased.Select(delivery => Number(delivery.Message)));
        await SettleAsync("q", Settlement.Release(leased[0].Token, TimeSpan.FromSeconds(5)));
        Assert.Empty(await LeaseAsync(receiver, 10));
        _time.Advance(TimeSpan.FromSeconds(5));
        leased = await LeaseAsync(receiver, 10);
        Assert.Equal([1], leased.Select(delivery => Number(delivery.Message)));
        await SettleAsync("q", Settlement.Complete(leased[0].Token));
        Assert.Equal([2], (await LeaseAsync(receiver, 10)).Select(delivery => Number(delivery.Message)));
    }

    [Fact]
    public async Task Waiters_AreServedInTheOrderInWhichTheyCame()
    {
        var receivers = new List<IQueueReceiver>();
        var waits = new List<Task<int>>();
        var buffers = new List<Delivery[]>();
        for (var i = 0; i < 5; i++)
        {
            receivers.Add(await _store.OpenReceiverAsync("q", new ReceiverOptions(), Token));
            buffers.Add(new Delivery[1]);
            waits.Add(receivers[i].LeaseAsync(buffers[i], Timeout.InfiniteTimeSpan, Token).AsTask());
        }

        for (var i = 0; i < 5; i++)
        {
            await SendAsync(new Envelope(Body(i)));
            Assert.Equal(1, await waits[i]);
            Assert.Equal(i, Number(buffers[i][0].Message));
        }

        foreach (var receiver in receivers)
        {
            await receiver.DisposeAsync();
        }
    }

    [Fact]
    public async Task Renewing_ProlongsWhatIsOpen_AndReportsEachLossOnce()
    {
        await SendAsync(new Envelope(Body(1)), new Envelope(Body(2)));
        await using var receiver = await _store.OpenReceiverAsync("q", new ReceiverOptions { LeaseDuration = Lease }, Token);
        var early = Assert.Single(await LeaseAsync(receiver, 1));
        _time.Advance(Lease / 2);
        var late = Assert.Single(await LeaseAsync(receiver, 1));
        _time.Advance(Lease / 2);

        Assert.Equal([early.Token], await receiver.RenewAsync(Token));
        Assert.Empty(await receiver.RenewAsync(Token));
        _time.Advance(Lease - TimeSpan.FromMilliseconds(1));
        Assert.Equal([SettleResult.LeaseLost, SettleResult.Settled], await SettleAsync("q", Settlement.Complete(early.Token), Settlement.Complete(late.Token)));
    }

    [Fact]
    public async Task Q9_DropOldest_DropsTheOldestOfTheLowestPriority_AlsoBehindAKey()
    {
        await _admin.CreateQueueAsync("q", new QueueSettings { MaxLength = 4, Overflow = QueueOverflow.DropOldest }, Token);
        await SendAsync(
            new Envelope(Body(1)) { Key = "k", Priority = 5 },
            new Envelope(Body(2)) { Key = "k", Priority = 1 },
            new Envelope(Body(3)) { Priority = 1 },
            new Envelope(Body(4)) { Priority = 9 });

        await SendAsync(new Envelope(Body(5)));
        await Assert.ThrowsAsync<QueueFullException>(() => SendAsync(Enumerable.Range(0, 5).Select(i => new Envelope(Body(i))).ToArray()));
        await SendAsync(new Envelope(Body(6)));

        var page = await _admin.BrowseAsync("q", new BrowseQuery(), Token);
        Assert.Equal([4, 1, 5, 6], page.Messages.Select(message => Number(message.Message)));
        Assert.Equal(2, (await _admin.GetStatsAsync("q", Token)).Dropped);
    }

    [Fact]
    public async Task ReturnedMessages_GoBackToTheirPlace_InWhateverOrderTheyReturn()
    {
        await SendAsync(Enumerable.Range(0, 100).Select(i => new Envelope(Body(i))).ToArray());
        await using var receiver = await _store.OpenReceiverAsync("q", new ReceiverOptions(), Token);
        var leased = await LeaseAsync(receiver, 80);
        var random = new Random(5);
        random.Shuffle(leased);
        foreach (var delivery in leased)
        {
            await SettleAsync("q", Settlement.Release(delivery.Token, countAttempt: false));
        }

        Assert.Equal(Enumerable.Range(0, 100), (await LeaseAsync(receiver, 100)).Select(delivery => Number(delivery.Message)));
    }

    [Fact]
    public async Task Browsing_ByPages_ShowsEverythingInOrder()
    {
        var random = new Random(7);
        await SendAsync(Enumerable.Range(0, 500).Select(i => new Envelope(Body(i)) { Priority = random.Next(10), Delay = TimeSpan.FromSeconds(random.Next(3)), Key = random.Next(3) == 0 ? "k" : null }).ToArray());
        foreach (var state in (MessageState[])[MessageState.Ready, MessageState.Scheduled])
        {
            var whole = await _admin.BrowseAsync("q", new BrowseQuery { State = state, Limit = 1000 }, Token);
            Assert.Null(whole.Next);
            var paged = new List<BrowsedMessage>();
            string? next = null;
            do
            {
                var page = await _admin.BrowseAsync("q", new BrowseQuery { State = state, Limit = 7, Continuation = next }, Token);
                paged.AddRange(page.Messages);
                next = page.Next;
            }
            while (next is not null);

            Assert.Equal(whole.Messages.Select(message => Number(message.Message)), paged.Select(message => Number(message.Message)));
            Assert.NotEmpty(paged);
        }
    }

    [Fact]
    public async Task AnIdleQueue_IsDeletedWithItsBindings_AndNotBefore()
    {
        var routing = _backend.Require<IQueueRouting>();
        await _admin.CreateQueueAsync("q", new QueueSettings { DeleteAfterIdle = TimeSpan.FromMinutes(1) }, Token);
        await routing.BindAsync("q", TopicPattern.Parse("t"), Token);
        var receiver = await _store.OpenReceiverAsync("q", new ReceiverOptions { SettleOnLease = true }, Token);
        _time.Advance(TimeSpan.FromMinutes(2));
        await receiver.DisposeAsync();
        _time.Advance(TimeSpan.FromSeconds(59));
        await SendAsync(new Envelope(Body(1)));
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal(1, await _admin.PurgeAsync("q", Token));
        _time.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal(["q"], await _admin.ListQueuesAsync(cancellationToken: Token));

        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.Empty(await _admin.ListQueuesAsync(cancellationToken: Token));
        Assert.Empty(await routing.ListBindingsAsync(cancellationToken: Token));
        await Assert.ThrowsAsync<QueueNotFoundException>(() => _admin.GetStatsAsync("q", Token).AsTask());
    }

    [Fact]
    public async Task DeletingAQueue_EndsWaits_AndLosesLeases()
    {
        await SendAsync(new Envelope(Body(1)));
        await using var holder = await _store.OpenReceiverAsync("q", new ReceiverOptions(), Token);
        await using var waiter = await _store.OpenReceiverAsync("q", new ReceiverOptions(), Token);
        var leased = Assert.Single(await LeaseAsync(holder, 1));
        var waiting = waiter.LeaseAsync(new Delivery[1], Timeout.InfiniteTimeSpan, Token).AsTask();

        Assert.True(await _admin.DeleteQueueAsync("q", Token));

        await Assert.ThrowsAsync<QueueNotFoundException>(() => waiting);
        Assert.Equal([leased.Token], await holder.RenewAsync(Token));
        Assert.Equal([SettleResult.LeaseLost], await SettleAsync("q", Settlement.Complete(leased.Token)));
    }

    [Fact]
    public async Task Transactions_SeeTheRoomThatTheyMake_InTheirOrder()
    {
        var transactions = _backend.Require<IQueueTransactions>();
        await _admin.CreateQueueAsync("q", new QueueSettings { MaxLength = 1 }, Token);
        await SendAsync(new Envelope(Body(1)));
        await using var receiver = await _store.OpenReceiverAsync("q", new ReceiverOptions(), Token);
        var leased = Assert.Single(await LeaseAsync(receiver, 1));

        await Assert.ThrowsAsync<QueueFullException>(() =>
            transactions.CommitAsync(new QueueTransaction().Enqueue("q", new Envelope(Body(2))).Settle("q", Settlement.Complete(leased.Token)), Token).AsTask());
        var result = await transactions.CommitAsync(new QueueTransaction().Settle("q", Settlement.Complete(leased.Token)).Enqueue("q", new Envelope(Body(2))), Token);
        Assert.True(result.Committed);
        Assert.Equal(2, Number(Assert.Single(await LeaseAsync(receiver, 5)).Message));

        result = await transactions.CommitAsync(new QueueTransaction().Enqueue("other", new Envelope(Body(3))).Settle("q", Settlement.Complete(leased.Token)), Token);
        Assert.False(result.Committed);
        Assert.Equal([leased.Token], result.LostLeases);
        Assert.Equal(0, (await _admin.GetStatsAsync("other", Token)).Ready);
    }

    [Fact]
    public async Task DisposingTheStore_EndsWaits_AndRefusesLaterCalls()
    {
        var receiver = await _store.OpenReceiverAsync("q", new ReceiverOptions(), Token);
        var waiting = receiver.LeaseAsync(new Delivery[1], Timeout.InfiniteTimeSpan, Token).AsTask();

        await _backend.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => SendAsync(new Envelope(Body(1))));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => receiver.RenewAsync(Token).AsTask());
        await receiver.DisposeAsync();
        Assert.False((await _backend.Health.ProbeAsync(Token)).IsHealthy);
    }

    [Fact]
    public async Task Probing_ShowsInNoCount()
    {
        var report = await _backend.Health.ProbeAsync(Token);

        Assert.True(report.IsHealthy, report.Error);
        Assert.Equal("none", report.Details["durability"]);
        Assert.Equal("0", report.Details["queues"]);
        Assert.Empty(await _admin.ListQueuesAsync(cancellationToken: Token));
    }

    private static byte[] Body(int number) => System.Text.Encoding.ASCII.GetBytes(number.ToString(CultureInfo.InvariantCulture));

    private static int Number(Message message) => int.Parse(message.Body.Span, CultureInfo.InvariantCulture);

    private async Task<MessageId> SendAsync(params Envelope[] batch)
    {
        var results = new EnqueueResult[batch.Length];
        await _store.EnqueueAsync("q", batch, results, Token);
        return results[0].Id;
    }

    private static async Task<Delivery[]> LeaseAsync(IQueueReceiver receiver, int count)
    {
        var into = new Delivery[count];
        return into[..await receiver.LeaseAsync(into, TimeSpan.Zero, Token)];
    }

    private async Task<SettleResult[]> SettleAsync(string queue, params Settlement[] batch)
    {
        var results = new SettleResult[batch.Length];
        await _store.SettleAsync(queue, batch, results, Token);
        return results;
    }
}
