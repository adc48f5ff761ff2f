using System.Globalization;
using Millrace.Redis.Client;
using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Queues;

/// <summary>Queues where something is missing, cut or large.</summary>
public sealed class QueueFaultTests
{
    private readonly string _prefix = "f" + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..12];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Enqueue_ThatTooFewReplicasHave_MayHaveBeenApplied()
    {
        await using var backend = await OpenAsync("wait=1&waitTimeoutMs=50");
        var admin = backend.Require<IQueueAdmin>();
        var fault = await Assert.ThrowsAsync<BackendUnavailableException>(async () => await admin.CreateQueueAsync("q", QueueSettings.Default, Cancellation));
        Assert.True(fault.MayHaveBeenApplied);
        fault = await Assert.ThrowsAsync<BackendUnavailableException>(async () => await SendAsync(backend, 10));
        Assert.True(fault.MayHaveBeenApplied);
        Assert.Equal(1, (await admin.GetStatsAsync("q", Cancellation)).Ready);
    }

    [Fact]
    public async Task WithoutCreationOnDemand_AnUnknownQueueIsAnError()
    {
        await using var backend = await OpenAsync("autocreate=false");
        await Assert.ThrowsAsync<QueueNotFoundException>(async () => await SendAsync(backend, 10));
        await Assert.ThrowsAsync<QueueNotFoundException>(async () => await backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation));
        await backend.Require<IQueueAdmin>().CreateQueueAsync("q", QueueSettings.Default, Cancellation);
        await SendAsync(backend, 10);
    }

    [Fact]
    public async Task LargeBodies_AreLeasedAFewAtATime()
    {
        await using var backend = await OpenAsync("");
        await SendAsync(backend, [.. Enumerable.Repeat(1 << 20, 20)]);
        await using var receiver = await backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        var deliveries = new Delivery[20];
        var all = 0;
        while (await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Cancellation) is > 0 and var count)
        {
            Assert.InRange(count, 1, 8);
            all += count;
        }

        Assert.Equal(20, all);
    }

    [Fact]
    public async Task ABatchOfThousands_IsStoredWhole_AndSettledWhole()
    {
        const int Messages = 25_000;
        await using var backend = await OpenAsync("");
        var batch = new Envelope[Messages];
        for (var i = 0; i < Messages; i++)
        {
            batch[i] = new Envelope(new byte[10]) { Id = i % 2 == 0 ? new MessageId($"id-{i}") : default, Priority = i % 3, Key = i % 1000 == 0 ? "k" : null };
        }

        var results = new EnqueueResult[Messages];
        await backend.Queues!.EnqueueAsync("q", batch, results, Cancellation);
        Assert.Equal(Messages, results.Select(result => result.Id).Distinct().Count());
        await using var receiver = await backend.Queues.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        var settlements = new List<Settlement>();
        var deliveries = new Delivery[5000];
        while (await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Cancellation) is > 0 and var count)
        {
            settlements.AddRange(deliveries[..count].Select(delivery => Settlement.Complete(delivery.Token)));
        }

        var settled = new SettleResult[settlements.Count];
        await backend.Queues.SettleAsync("q", settlements.ToArray(), settled, Cancellation);
        Assert.All(settled, result => Assert.Equal(SettleResult.Settled, result));

        // All but those behind the head of the one key.
        Assert.Equal(Messages - 24, settlements.Count);
        Assert.Equal(24, await backend.Require<IQueueAdmin>().PurgeAsync("q", Cancellation));
    }

    [Fact]
    public async Task AWaitingReceiver_IsWokenAfterItsSubscriptionWasCut()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        var url = BackendUrl.Parse($"redis://{server.EndPoint}");
        await using var backend = await RedisBackend.OpenAsync(url, new BackendContext(), Cancellation);
        await using var killer = await RedisDialing.OpenAsync(RedisOptions.Parse(url), new BackendContext(), Cancellation);
        await using var receiver = await backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        var deliveries = new Delivery[1];
        for (var round = 0; round < 5; round++)
        {
            var waiting = receiver.LeaseAsync(deliveries, Timeout.InfiniteTimeSpan, Cancellation).AsTask();
            while ((await killer.ExecuteAsync(RedisCommand.Create("CLIENT").Add("KILL").Add("TYPE").Add("pubsub"), Cancellation)).ToInteger() == 0)
            {
                await Task.Yield();
            }

            await SendAsync(backend, 10);
            Assert.Equal(1, await waiting.WaitAsync(TimeSpan.FromSeconds(10), Cancellation));
            await backend.Queues.SettleAsync("q", new[] { Settlement.Complete(deliveries[0].Token) }, default, Cancellation);
        }
    }

    [Fact]
    public async Task WhatRedisHasLost_IsPassedOver()
    {
        await using var backend = await OpenAsync("");
        await SendAsync(backend, 1, 2, 3);
        var server = await RedisFixture.Server;
        await using var hand = await RedisDialing.OpenAsync(RedisOptions.Parse(BackendUrl.Parse($"redis://{server.EndPoint}")), new BackendContext(), Cancellation);
        await hand.ExecuteAsync(RedisCommand.Create("HDEL").AddKey($"{{{_prefix}:queue:q}}:messages").Add(1000000000000002), Cancellation);
        await using var receiver = await backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        var deliveries = new Delivery[5];
        Assert.Equal(2, await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Cancellation));
        Assert.Equal([1, 3], deliveries[..2].Select(delivery => delivery.Message.Body.Length));
    }

    [Fact]
    public async Task AQueue_WhoseMessagesWereEvicted_CountsNothingForThem_AndGoesOn()
    {
        await using var backend = await OpenAsync("");
        var admin = backend.Require<IQueueAdmin>();
        await admin.CreateQueueAsync("q", QueueSettings.Default with { MaxBytes = 4000 }, Cancellation);
        await admin.CreateQueueAsync("mixed", QueueSettings.Default with { MaxBytes = 4000 }, Cancellation);
        Envelope Make() => new(new byte[700]);
        await backend.Queues!.EnqueueAsync("mixed", new[] { Make() with { Key = "k" } }, default, Cancellation);
        await using var receiver = await backend.Queues.OpenReceiverAsync("mixed", new ReceiverOptions(), Cancellation);
        var held = new Delivery[1];
        Assert.Equal(1, await receiver.LeaseAsync(held, TimeSpan.Zero, Cancellation));
        Envelope[] mixed = [Make() with { Id = "id" }, Make() with { TimeToLive = TimeSpan.FromMilliseconds(1) }, Make() with { Delay = TimeSpan.FromMilliseconds(1) }];
        await backend.Queues.EnqueueAsync("mixed", mixed, default, Cancellation);
        await SendAsync(backend, 1000, 1000, 1000);
        await using (var hand = await RedisDialing.OpenAsync(RedisOptions.Parse(BackendUrl.Parse($"redis://{(await RedisFixture.Server).EndPoint}")), new BackendContext(), Cancellation))
        {
            await hand.ExecuteAsync(RedisCommand.Create("DEL").AddKey($"{{{_prefix}:queue:q}}:messages"), Cancellation);
            await hand.ExecuteAsync(RedisCommand.Create("DEL").AddKey($"{{{_prefix}:queue:mixed}}:messages"), Cancellation);
        }

        // What can be looked at meanwhile can be.
        Assert.Equal(3, (await admin.GetStatsAsync("q", Cancellation)).Ready);
        Assert.Empty((await admin.BrowseAsync("q", new BrowseQuery(), Cancellation)).Messages);
        await backend.Queues.SettleAsync("mixed", new[] { Settlement.Complete(held[0].Token) }, default, Cancellation);
        foreach (var queue in (string[])["q", "mixed"])
        {
            await using var other = await backend.Queues.OpenReceiverAsync(queue, new ReceiverOptions(), Cancellation);
            QueueStats stats;
            do
            {
                // Until what was due or has expired is passed over too.
                Assert.Equal(0, await other.LeaseAsync(new Delivery[10], TimeSpan.Zero, Cancellation));
                stats = await admin.GetStatsAsync(queue, Cancellation);
            }
            while (stats.Ready + stats.Scheduled > 0);
            Assert.Equal((0, 0), (stats.Leased, stats.Bytes));
            await backend.Queues.EnqueueAsync(queue, new[] { new Envelope(new byte[3900]) { Key = "k" } }, default, Cancellation);
            Assert.Equal(1, await other.LeaseAsync(held, TimeSpan.Zero, Cancellation));
            await backend.Queues.SettleAsync(queue, new[] { Settlement.Complete(held[0].Token) }, default, Cancellation);
            Assert.Equal(0, (await admin.GetStatsAsync(queue, Cancellation)).Bytes);
        }
    }

    private static async Task SendAsync(Backend backend, params int[] sizes) =>
        await backend.Queues!.EnqueueAsync("q", Array.ConvertAll(sizes, size => new Envelope(new byte[size])), default, Cancellation);

    private async Task<Backend> OpenAsync(string options)
    {
        var server = await RedisFixture.Server;
        return await RedisBackend.OpenAsync(BackendUrl.Parse($"redis://{server.EndPoint}?prefix={_prefix}&{options}".TrimEnd('&')), new BackendContext(), Cancellation);
    }
}
