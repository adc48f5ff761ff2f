using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests;

/// <summary>The rights of a user that docs/guide/redis.md gives are enough for every shape.</summary>
public sealed class AccessControlTests
{
    private const string User = "millrace";
    private const string Password = "PASSWORD";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task User_OfTheGuide_DoesEverything_OnOneServer()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await GrantAsync([server]);
        await using (var backend = await OpenAsync($"redis://{User}:{Password}@{server.EndPoint}/3?history=1"))
        {
            await UseAsync(backend, "topic*");
        }

        // No right is there for nothing: but for what ten thousand producers of a partition need, all have been used.
        var used = (await server.ExecuteAsync(["INFO", "commandstats"], Cancellation)).Split('\n')
            .Where(line => line.StartsWith("cmdstat_", StringComparison.Ordinal)).Select(line => line["cmdstat_".Length..line.IndexOf(':', StringComparison.Ordinal)]).ToHashSet();
        var granted = (await ReadGuideAsync()).SelectMany(command => command).Where(word => word.StartsWith('+')).Select(word => word[1..]).ToArray();
        Assert.Equal("zpopmin", string.Join(" ", granted.Where(command => !used.Contains(command))));
    }

    [Fact]
    public async Task User_WithInfoInsteadOfConfig_AndWithoutAllChannels_DoesTheRest()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await GrantAsync([server], "-config|get", "+info", "resetchannels", "&{millrace:*", "&millrace:channel:*", "&millrace:channel:0:top*");
        await using var backend = await OpenAsync($"redis://{User}:{Password}@{server.EndPoint}");
        await UseAsync(backend, "top*");
        var refused = await Assert.ThrowsAnyAsync<MillraceException>(async () => await backend.Channels!.SubscribeAsync(TopicPattern.Parse("other*"), SubscriptionOptions.Default, Cancellation));
        Assert.Contains("NOPERM", refused.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task User_OfTheGuide_DoesEverything_BehindSentinel()
    {
        await using var set = await LocalRedisSentinels.StartAsync(cancellationToken: Cancellation);
        await GrantAsync(set.Servers, "+role", "+wait");
        foreach (var sentinel in set.Sentinels)
        {
            await sentinel.ExecuteAsync(
                [
                    "ACL", "SETUSER", User, "on", ">" + Password, "-@all", "resetchannels", "&+switch-master",
                    "+ping", "+subscribe", "+unsubscribe", "+sentinel|get-master-addr-by-name", "+sentinel|sentinels",
                ],
                Cancellation);
        }

        await using var backend = await OpenAsync($"redis+sentinel://{User}:{Password}@{set.EndPoints}/{set.Name}/0?sentinelUser={User}&sentinelPassword={Password}&wait=1");
        await UseAsync(backend, "topic*");
        await set.FailOverAsync(cancellationToken: Cancellation);
        await UseAsync(backend, "topic*");
    }

    [Fact]
    public async Task User_OfTheGuide_DoesEverything_OnACluster()
    {
        await using var cluster = await LocalRedisCluster.StartAsync(cancellationToken: Cancellation);
        await GrantAsync(cluster.Servers, "+cluster|slots", "+asking", "+spublish", "+ssubscribe", "+sunsubscribe");
        await using var backend = await OpenAsync($"redis://{User}:{Password}@{cluster.EndPoints}");
        await UseAsync(backend, "topic*");
    }

    /// <summary>Grants what the guide's commands grant.</summary>
    private static async Task GrantAsync(IEnumerable<LocalRedis> servers, params string[] more)
    {
        var commands = await ReadGuideAsync();
        Assert.NotEmpty(commands);
        foreach (var server in servers)
        {
            foreach (var command in commands)
            {
                await server.ExecuteAsync(command, Cancellation);
            }

            if (more.Length > 0)
            {
                await server.ExecuteAsync(["ACL", "SETUSER", User, .. more], Cancellation);
            }
        }
    }

    private static async Task<List<string[]>> ReadGuideAsync() =>
        (await File.ReadAllLinesAsync(Path.Combine(AppContext.BaseDirectory, "redis.md"), Cancellation))
            .Where(line => line.StartsWith($"ACL SETUSER {User} ", StringComparison.Ordinal)).Select(line => line.Split(' ')).ToList();

    private static async Task<Backend> OpenAsync(string url) => await RedisBackend.OpenAsync(BackendUrl.Parse(url), new BackendContext(), Cancellation);

    /// <summary>Does something of everything.</summary>
    private static async Task UseAsync(Backend backend, string pattern)
    {
        Assert.True((await backend.Health.ProbeAsync(Cancellation)).IsHealthy);
        await UseQueueAsync(backend);
        await UseStreamAsync(backend.Streams!);
        await UseChannelAsync(backend.Channels!, pattern);
        await UseLockAsync(backend.Locks!);
        await UseStateAsync(backend.State!);
    }

    private static async Task UseQueueAsync(Backend backend)
    {
        var (queues, admin, routing) = (backend.Queues!, backend.Require<IQueueAdmin>(), backend.Require<IQueueRouting>());
        await admin.CreateQueueAsync("q", QueueSettings.Default with { MaxLength = 9, Overflow = QueueOverflow.DropOldest, DedupMaxEntries = 1 }, Cancellation);
        await using var receiver = await queues.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        var deliveries = new Delivery[10];
        var waiting = receiver.LeaseAsync(deliveries, Timeout.InfiniteTimeSpan, Cancellation).AsTask();
        await routing.BindAsync("q", TopicPattern.Parse("a.*"), Cancellation);
        Assert.Equal(1, await routing.PublishAsync("a.b", new[] { Make("published") }, Cancellation));
        Assert.Equal(1, await waiting);
        Envelope[] batch =
        [
            Make("plain"), Make("other") with { Priority = 7 }, Make("keyed") with { Id = "one", Key = "k" }, Make("behind") with { Id = "two", Key = "k" },
            Make("short") with { TimeToLive = TimeSpan.FromMilliseconds(1) }, Make("later") with { Delay = TimeSpan.FromMilliseconds(1) },
            Make("tomorrow") with { Delay = TimeSpan.FromDays(1) }, Make("much later") with { Delay = TimeSpan.FromHours(1), Id = "three" },
        ];
        await queues.EnqueueAsync("q", batch, default, Cancellation);
        await queues.EnqueueAsync("q", batch.AsMemory(2, 1), default, Cancellation);
        Assert.NotEmpty((await admin.BrowseAsync("q", new BrowseQuery(), Cancellation)).Messages);
        Assert.NotEmpty((await admin.BrowseAsync("q", new BrowseQuery { State = MessageState.Leased }, Cancellation)).Messages);
        var later = new BrowseQuery { State = MessageState.Scheduled, Limit = 1 };
        if ((await admin.BrowseAsync("q", later, Cancellation)).Next is { } next)
        {
            await admin.BrowseAsync("q", later with { Continuation = next }, Cancellation);
        }

        Assert.NotNull(await admin.GetMessageAsync("q", "one", Cancellation));
        await receiver.RenewAsync(Cancellation);
        await queues.SettleAsync("q", new[] { Settlement.Release(deliveries[0].Token) }, default, Cancellation);
        foreach (var settle in (Func<LeaseToken, Settlement>[])[Settlement.Complete, token => Settlement.DeadLetter(token, "spoilt"), Settlement.Complete, Settlement.Complete])
        {
            Assert.Equal(1, await receiver.LeaseAsync(deliveries.AsMemory(0, 1), TimeSpan.FromSeconds(30), Cancellation));
            await queues.SettleAsync("q", new[] { settle(deliveries[0].Token) }, default, Cancellation);
        }

        await queues.EnqueueAsync("q", Enumerable.Range(3, 5).Select(i => Make($"more {i}") with { Id = $"id {i}" }).ToArray(), default, Cancellation);
        await admin.RescheduleMessageAsync("q", "id 7", TimeSpan.Zero, Cancellation);
        await admin.RemoveMessageAsync("q", "id 6", Cancellation);
        await admin.UpdateSettingsAsync("q", QueueSettings.Default with { DedupMaxEntries = 1 }, Cancellation);
        Assert.Equal(1, await admin.RedriveAsync("q", new DeadLetterFilter(), Cancellation));
        if (backend.Find<IQueueTransactions>() is { } transactions)
        {
            await transactions.CommitAsync(new QueueTransaction().Enqueue("q", Make("x") with { Id = "x" }).Enqueue("q2", Make("x")), Cancellation);
        }

        Assert.NotNull((await admin.GetStatsAsync("q", Cancellation)).OldestReadyAge);
        Assert.Contains("q", await admin.ListQueuesAsync(cancellationToken: Cancellation));
        Assert.NotEqual(0, await admin.PurgeAsync("q", Cancellation));
        Assert.True(await routing.UnbindAsync("q", TopicPattern.Parse("a.*"), Cancellation));
        Assert.True(await admin.DeleteQueueAsync("q", Cancellation));
        await UseAnIdleQueueAsync(queues, admin);
    }

    private static async Task UseAnIdleQueueAsync(IQueueStore queues, IQueueAdmin admin)
    {
        await admin.CreateQueueAsync("idle", QueueSettings.Default with { DeleteAfterIdle = TimeSpan.FromMilliseconds(1) }, Cancellation);
        while ((await admin.ListQueuesAsync("idle", cancellationToken: Cancellation)).Count > 0)
        {
            await Task.Yield();
        }

        await using var receiver = await queues.OpenReceiverAsync("once", new ReceiverOptions { SettleOnLease = true }, Cancellation);
        await queues.EnqueueAsync("once", new[] { Make("x") }, default, Cancellation);
        Assert.Equal(1, await receiver.LeaseAsync(new Delivery[1], TimeSpan.FromSeconds(30), Cancellation));
    }

    private static async Task UseStreamAsync(IStreamStore streams)
    {
        var retention = new StreamRetention { MaxRecords = 2, MaxBytes = 1000, MaxAge = TimeSpan.FromHours(1) };
        var context = new StreamPartitionContext { Stream = "s", Partition = 0, PartitionCount = 1, Retention = retention };
        await using (var partition = await streams.OpenPartitionAsync(context, Cancellation))
        {
            var growing = partition.WaitForAsync(0, Cancellation).AsTask();
            StreamRecord[] records = [new() { Body = "1"u8.ToArray() }, new() { Body = "2"u8.ToArray() }, new() { Body = "3"u8.ToArray() }];
            await partition.AppendAsync(new AppendRequest(records) { ProducerId = "p", FirstSequence = 0 }, Cancellation);
            await partition.AppendAsync(new AppendRequest(records) { ProducerId = "p", FirstSequence = 0 }, Cancellation);
            await growing;
            using var page = await partition.ReadAsync(2, 10, 1000, Cancellation);
            await partition.FindOffsetAsync(DateTimeOffset.UnixEpoch, Cancellation);
            await partition.FlushAsync(Cancellation);
            await partition.TrimAsync(3, Cancellation);
            await partition.GetStatsAsync(Cancellation);
        }

        Assert.True(await streams.DeletePartitionAsync(context, Cancellation));
    }

    private static async Task UseChannelAsync(IChannelTransport channels, string pattern)
    {
        await using var literal = await channels.SubscribeAsync(TopicPattern.Parse("topic"), SubscriptionOptions.Default, Cancellation);
        await using var glob = await channels.SubscribeAsync(TopicPattern.Parse(pattern), SubscriptionOptions.Default, Cancellation);
        var id = await channels.PublishAsync("topic", Make("x"), Cancellation);
        foreach (var subscription in (IChannelSubscription[])[literal, glob])
        {
            var into = new ChannelMessage[1];
            Assert.Equal(1, await subscription.ReadAsync(into, Cancellation));
            Assert.Equal(id, into[0].Id);
        }

        await channels.PublishAsync("topic", Make("y"), Cancellation);
        Assert.NotEmpty(await channels.GetHistoryAsync(TopicPattern.Parse("*"), cancellationToken: Cancellation));
    }

    private static async Task UseLockAsync(ILockStore locks)
    {
        var grant = (await locks.TryAcquireAsync("l", "me", TimeSpan.FromMinutes(1), Cancellation))!;
        var waiting = locks.WaitForReleaseAsync("l", Cancellation).AsTask();
        Assert.True(await locks.RenewAsync("l", "me", grant.FencingToken, TimeSpan.FromMinutes(1), Cancellation));
        Assert.NotNull(await locks.InspectAsync("l", Cancellation));
        Assert.True(await locks.ReleaseAsync("l", "me", grant.FencingToken, Cancellation));
        await waiting;
    }

    private static async Task UseStateAsync(IStateStore state)
    {
        var written = await state.PutAsync("k", new byte[1], null, Cancellation);
        await state.WaitForChangeAsync("k", written.Version - 1, Cancellation);
        Assert.True((await state.PutAsync("k", new byte[1], written.Version, Cancellation)).Written);
        Assert.NotNull(await state.GetAsync("k", Cancellation));
        Assert.Single((await state.ListAsync("k", cancellationToken: Cancellation)).Documents);
        Assert.True((await state.DeleteAsync("k", null, Cancellation)).Written);
    }

    private static Envelope Make(string text) => new(System.Text.Encoding.UTF8.GetBytes(text));
}
