using System.Buffers.Binary;
using Millrace.Redis.Client;
using Millrace.Redis.Tests.Client;
using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests;

/// <summary>A server whose memory is full, with <c>maxmemory-policy noeviction</c>: what is new is refused, and whatever frees memory or is needed to free it goes on.</summary>
public sealed class FullMemoryTests : IAsyncLifetime
{
    private const int Messages = 12;

    private readonly Delivery[] _deliveries = new Delivery[20];
    private LocalRedis _server = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() =>
        _server = await LocalRedis.StartAsync(new LocalRedisOptions { Arguments = ["--maxmemory-policy", "noeviction"] }, Cancellation);

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Theory]
    [InlineData("")]
    [InlineData("autocreate=false")]
    public async Task Queue_IsDrained_ByWhoeverComesOnlyThen(string options)
    {
        await using (var sender = await OpenAsync(""))
        {
            await SendAsync(sender, "q", "plain", Messages);
            await sender.Queues!.EnqueueAsync("q", Enumerable.Range(0, Messages).Select(i => Make(i) with { Id = new MessageId($"id{i}"), Key = $"k{i % 2}" }).ToArray(), default, Cancellation);
            await FillAsync();
            await RefusedAsync(() => SendAsync(sender, "q", "new", 1));
            await RefusedAsync(() => SendAsync(sender, "other", "new", 1));
        }

        await using var backend = await OpenAsync(options);
        var queues = backend.Queues!;
        var drained = 0;
        await using (var receiver = await queues.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation))
        {
            while (await receiver.LeaseAsync(_deliveries, TimeSpan.Zero, Cancellation) is > 0 and var count)
            {
                Assert.Empty(await receiver.RenewAsync(Cancellation));
                Assert.Equal(count, await SettleAsync(queues, "q", count, i => (drained + i) switch
                {
                    0 => Settlement.DeadLetter(_deliveries[i].Token, "spoilt", "why"),
                    1 => Settlement.Release(_deliveries[i].Token),
                    _ => Settlement.Complete(_deliveries[i].Token),
                }));
                drained += count;
            }
        }

        // The one that was released came twice.
        Assert.Equal((2 * Messages) + 1, drained);
        var admin = backend.Require<IQueueAdmin>();
        var stats = await admin.GetStatsAsync("q", Cancellation);
        Assert.Equal((0, 0, 1, (2 * Messages) - 1), (stats.Ready, stats.Leased, stats.Dead, stats.Completed));
        Assert.Equal(1, await admin.RedriveAsync("q", new DeadLetterFilter(), Cancellation));
        Assert.Equal(1, await admin.PurgeAsync("q", Cancellation));
        Assert.Equal(0, await admin.PurgeAsync("q", Cancellation));
        await admin.UpdateSettingsAsync("q", QueueSettings.Default with { DedupWindow = TimeSpan.Zero }, Cancellation);
        Assert.True(await admin.DeleteQueueAsync("q", Cancellation));
        Assert.Empty(await admin.ListQueuesAsync(cancellationToken: Cancellation));
    }

    [Fact]
    public async Task Queue_WhoseEventsAreOverdue_GoesOn_AndTakesNothingNew()
    {
        await using var backend = await OpenAsync("");
        await SendAsync(backend, "q", "plain", Messages);
        await FillAsync();

        // Whoever meets an event that is due handles it first, though there is nothing to handle.
        await MakeOverdueAsync("q");
        await RefusedAsync(() => SendAsync(backend, "q", "new", 1));
        await MakeOverdueAsync("q");
        Assert.Equal(Messages, (await backend.Require<IQueueAdmin>().GetStatsAsync("q", Cancellation)).Ready);
        await MakeOverdueAsync("q");
        await using var receiver = await backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        await MakeOverdueAsync("q");
        Assert.Equal(Messages, await receiver.LeaseAsync(_deliveries, TimeSpan.Zero, Cancellation));
        await MakeOverdueAsync("q");
        Assert.Equal(Messages, await SettleAsync(backend.Queues, "q", Messages, i => Settlement.Complete(_deliveries[i].Token)));
    }

    [Fact]
    public async Task Transaction_PassesOnWhatBecomesNoLarger_InAnyOrder()
    {
        await using var backend = await OpenAsync("");
        var transactions = backend.Require<IQueueTransactions>();
        await SendAsync(backend, "q", "plain", 4);
        await SendAsync(backend, "next", "plain", 1);
        await using var receiver = await backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        Assert.Equal(4, await receiver.LeaseAsync(_deliveries, TimeSpan.Zero, Cancellation));
        await FillAsync();
        Settlement Complete(int i) => Settlement.Complete(_deliveries[i].Token);
        Assert.True((await transactions.CommitAsync(new QueueTransaction().Enqueue("next", Make(0)).Settle("q", Complete(0)), Cancellation)).Committed);
        Assert.True((await transactions.CommitAsync(new QueueTransaction().Settle("q", Complete(1)).Enqueue("next", Make(0)), Cancellation)).Committed);
        await RefusedAsync(async () => await transactions.CommitAsync(new QueueTransaction().Settle("q", Complete(2)).Enqueue("next", new Envelope(new byte[5000])), Cancellation));
        await MakeOverdueAsync("next");
        await RefusedAsync(async () => await transactions.CommitAsync(new QueueTransaction().Enqueue("next", Make(0)), Cancellation));
        Assert.True((await transactions.CommitAsync(new QueueTransaction().Settle("q", Complete(2)), Cancellation)).Committed);
        var admin = backend.Require<IQueueAdmin>();
        Assert.Equal((1, 3), ((await admin.GetStatsAsync("q", Cancellation)).Leased, (await admin.GetStatsAsync("next", Cancellation)).Ready));
    }

    [Fact]
    public async Task Bindings_AreTakenAway()
    {
        await using var backend = await OpenAsync("");
        var routing = backend.Require<IQueueRouting>();
        await routing.BindAsync("q", TopicPattern.Parse("a.*"), Cancellation);
        await FillAsync();
        await RefusedAsync(async () => await routing.PublishAsync("a.b", new[] { Make(0) }, Cancellation));
        Assert.True(await routing.UnbindAsync("q", TopicPattern.Parse("a.*"), Cancellation));
        Assert.Equal(0, await routing.PublishAsync("a.b", new[] { Make(0) }, Cancellation));
    }

    [Fact]
    public async Task Stream_IsOpened_Read_AndTrimmed()
    {
        var context = new StreamPartitionContext { Stream = "s", Partition = 0, PartitionCount = 1 };
        await using (var producer = await OpenAsync(""))
        {
            await using var appending = await producer.Streams!.OpenPartitionAsync(context, Cancellation);
            await appending.AppendAsync(new AppendRequest(new StreamRecord[] { new() { Body = new byte[1000] }, new() { Body = new byte[1000] } }), Cancellation);
            await FillAsync();
            await RefusedAsync(async () => await appending.AppendAsync(new AppendRequest(new StreamRecord[] { new() { Body = new byte[1000] } }), Cancellation));
        }

        await using var backend = await OpenAsync("");
        await RefusedAsync(async () => await backend.Streams!.OpenPartitionAsync(context with { Stream = "other" }, Cancellation));
        await using var partition = await backend.Streams!.OpenPartitionAsync(context, Cancellation);
        using (var page = await partition.ReadAsync(0, 10, 100_000, Cancellation))
        {
            Assert.Equal(2, page.Records.Length);
        }

        await partition.TrimAsync(1, Cancellation);
        Assert.Equal((1, 2), ((await partition.GetStatsAsync(Cancellation)).EarliestOffset, (await partition.GetStatsAsync(Cancellation)).EndOffset));
        Assert.True(await backend.Streams.DeletePartitionAsync(context, Cancellation));
    }

    [Fact]
    public async Task Locks_AreKept_AndGivenUp()
    {
        await using var backend = await OpenAsync("");
        var locks = backend.Locks!;
        var grant = await locks.TryAcquireAsync("l", "me", TimeSpan.FromMinutes(1), Cancellation);
        await FillAsync();
        Assert.True(await locks.RenewAsync("l", "me", grant!.FencingToken, TimeSpan.FromMinutes(2), Cancellation));
        Assert.Equal(grant.FencingToken, (await locks.TryAcquireAsync("l", "me", TimeSpan.FromMinutes(2), Cancellation))!.FencingToken);
        Assert.True(await locks.ReleaseAsync("l", "me", grant.FencingToken, Cancellation));
        Assert.NotNull(await locks.TryAcquireAsync("l", "other", TimeSpan.FromMinutes(1), Cancellation));
        await RefusedAsync(async () => await locks.TryAcquireAsync("new", "me", TimeSpan.FromMinutes(1), Cancellation));
    }

    [Fact]
    public async Task Documents_AreReplaced_WhereTheyHardlyGrow_AndDeleted()
    {
        await using var backend = await OpenAsync("");
        var state = backend.State!;
        var first = await state.PutAsync("a", new byte[100], null, Cancellation);
        await FillAsync();
        var second = await state.PutAsync("a", new byte[110], first.Version, Cancellation);
        Assert.True(second.Written);
        await RefusedAsync(async () => await state.PutAsync("a", new byte[10_000], null, Cancellation));
        await RefusedAsync(async () => await state.PutAsync("b", new byte[1], null, Cancellation));
        Assert.Equal(110, (await state.GetAsync("a", Cancellation))!.Value.Length);
        Assert.True((await state.DeleteAsync("a", second.Version, Cancellation)).Written);
    }

    [Fact]
    public async Task Channel_IsSubscribedTo_AndItsHistoryRead()
    {
        await using var backend = await OpenAsync("history=1");
        await backend.Channels!.PublishAsync("t", Make(0), Cancellation);
        var kept = await backend.Channels.PublishAsync("t", Make(1), Cancellation);
        await FillAsync();
        await RefusedAsync(async () => await backend.Channels.PublishAsync("t", Make(2), Cancellation));
        await using var shorter = await OpenAsync("history=0");
        await using var subscription = await backend.Channels.SubscribeAsync(TopicPattern.Parse("t"), SubscriptionOptions.Default, Cancellation);
        Assert.Equal(kept, Assert.Single(await backend.Channels.GetHistoryAsync(TopicPattern.Parse("t"), cancellationToken: Cancellation)).Id);

        // Letting go of what is too much writes.
        Assert.Empty(await shorter.Channels!.GetHistoryAsync(TopicPattern.Parse("t"), cancellationToken: Cancellation));
    }

    private static Envelope Make(int number) => new(new byte[1000 + number]);

    private static Task SendAsync(Backend backend, string queue, string kind, int count) =>
        backend.Queues!.EnqueueAsync(queue, Enumerable.Range(0, count).Select(i => Make(i) with { ContentType = kind }).ToArray(), default, Cancellation).AsTask();

    private static async Task RefusedAsync(Func<Task> action)
    {
        var fault = await Assert.ThrowsAnyAsync<MillraceException>(action);
        Assert.True(fault.IsTransient, fault.Message);
        Assert.Contains("OOM", fault.ToString(), StringComparison.Ordinal);
    }

    private static async Task<int> SettleAsync(IQueueStore queues, string queue, int count, Func<int, Settlement> settlement)
    {
        var results = new SettleResult[count];
        await queues.SettleAsync(queue, Enumerable.Range(0, count).Select(settlement).ToArray(), results, Cancellation);
        return results.Count(result => result == SettleResult.Settled);
    }

    /// <summary>Less than the server needs by itself, so that it stays full whatever is freed.</summary>
    private async Task FillAsync() => await _server.ExecuteAsync(["CONFIG", "SET", "maxmemory", "1000"], Cancellation);

    /// <summary>Sets the time of a queue's next event to long ago, as it is after all leases were settled in time and their ends have passed.</summary>
    private async Task MakeOverdueAsync(string queue)
    {
        const int NextEvent = 4 * sizeof(double);
        await using var hand = await RedisClients.OpenAsync($"redis://{_server.EndPoint}", Cancellation);
        var bytes = new byte[sizeof(double)];
        BinaryPrimitives.WriteDoubleLittleEndian(bytes, 1);
        await _server.ExecuteAsync(["CONFIG", "SET", "maxmemory", "0"], Cancellation);
        await hand.ExecuteAsync(RedisCommand.Create("SETRANGE").AddKey($"{{millrace:queue:{queue}}}:queue").Add(NextEvent).Add(bytes), Cancellation);
        await FillAsync();
    }

    private ValueTask<Backend> OpenAsync(string options) => RedisBackend.OpenAsync(BackendUrl.Parse($"redis://{_server.EndPoint}?{options}"), new BackendContext(), Cancellation);
}
