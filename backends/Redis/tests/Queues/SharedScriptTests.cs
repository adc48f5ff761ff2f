using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Millrace.Redis.Client;
using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Queues;

/// <summary>Calls that share a script: each gets what is its own, and what one of them cannot have does not touch the others.</summary>
public sealed class SharedScriptTests
{
    private readonly string _prefix = "s" + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..12];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task ManyCallers_OfAllKinds_EachGetsItsOwn(bool withIds, bool withKeys)
    {
        const int Callers = 32;
        const int Rounds = 40;
        await using var backend = await OpenAsync();
        var store = backend.Queues!;
        var seen = new ConcurrentDictionary<string, bool>();
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(
            async () =>
            {
                await using var receiver = await store.OpenReceiverAsync("q", new ReceiverOptions { LeaseDuration = TimeSpan.FromSeconds(60 + (caller % 2)) }, Cancellation);
                var deliveries = new Delivery[3];
                for (var round = 0; round < Rounds; round++)
                {
                    var body = $"{caller}/{round}";
                    var stored = new EnqueueResult[2];
                    await store.EnqueueAsync("q", new[] { Of(body + "/a", withIds, withKeys), Of(body + "/b", withIds && round % 2 == 0, isKeyed: false) }, stored, Cancellation);
                    Assert.All(stored, result => Assert.Equal(EnqueueOutcome.Stored, result.Outcome));
                    for (var taken = 0; taken < 2;)
                    {
                        var count = await receiver.LeaseAsync(deliveries.AsMemory(0, 2 - taken), Timeout.InfiniteTimeSpan, Cancellation);
                        for (var i = 0; i < count; i++)
                        {
                            Assert.True(seen.TryAdd(Encoding.UTF8.GetString(deliveries[i].Message.Body.Span), true));
                        }

                        var results = new SettleResult[count];
                        await store.SettleAsync("q", deliveries[..count].Select(delivery => Settlement.Complete(delivery.Token)).ToArray(), results, Cancellation);
                        Assert.All(results, result => Assert.Equal(SettleResult.Settled, result));
                        taken += count;
                    }
                }
            },
            Cancellation)));
        Assert.Equal(2 * Callers * Rounds, seen.Count);
        var stats = await backend.Require<IQueueAdmin>().GetStatsAsync("q", Cancellation);
        Assert.Equal((0, 0, 0), (stats.Ready, stats.Scheduled, stats.Leased));
        Assert.Equal(0, stats.Bytes);
    }

    [Fact]
    public async Task AFullQueue_RefusesWhatDoesNotFit_AndServesTheOthers()
    {
        await using var backend = await OpenAsync();
        var store = backend.Queues!;
        await backend.Require<IQueueAdmin>().CreateQueueAsync("q", new QueueSettings { MaxLength = 2 }, Cancellation);
        await using var receiver = await store.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        await store.EnqueueAsync("q", new[] { new Envelope(new byte[1]) }, default, Cancellation);
        var deliveries = new Delivery[1];
        var calls = new List<Task>();
        for (var i = 0; i < 3; i++)
        {
            calls.Add(store.EnqueueAsync("q", new[] { new Envelope(new byte[1]) }, default, Cancellation).AsTask());
        }

        Assert.Equal(1, await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Cancellation));
        var faults = new List<Exception?>();
        foreach (var call in calls)
        {
            faults.Add(await Record.ExceptionAsync(() => call));
        }

        Assert.Equal(2, faults.OfType<QueueFullException>().Count());
        Assert.Equal(1, faults.Count(fault => fault is null));
    }

    [Fact]
    public async Task AServerWithoutMemory_RefusesMessages_AndStillLetsReceiversWork()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        var url = BackendUrl.Parse($"redis://{server.EndPoint}");
        await using var backend = await RedisBackend.OpenAsync(url, new BackendContext(), Cancellation);
        await using var hand = await RedisDialing.OpenAsync(RedisOptions.Parse(url), new BackendContext(), Cancellation);
        var store = backend.Queues!;
        await store.EnqueueAsync("q", Enumerable.Repeat(new Envelope(new byte[100]), 100).ToArray(), default, Cancellation);
        await using var receiver = await store.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        var deliveries = new Delivery[1];
        Assert.Equal(1, await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Cancellation));
        await hand.ExecuteAsync(RedisCommand.Create("CONFIG").Add("SET").Add("maxmemory").Add(1), Cancellation);
        for (var i = 0; i < 99; i++)
        {
            // The first goes alone, and what is asked for meanwhile goes together.
            var first = store.EnqueueAsync("q", new[] { new Envelope(new byte[1]) }, default, Cancellation).AsTask();
            var second = store.EnqueueAsync("q", new[] { new Envelope(new byte[1]) }, default, Cancellation).AsTask();
            var results = new SettleResult[1];
            var settling = store.SettleAsync("q", new[] { Settlement.Complete(deliveries[0].Token) }, results, Cancellation).AsTask();
            Assert.Equal(1, await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Cancellation));
            await settling;
            Assert.Equal(SettleResult.Settled, results[0]);
            Assert.Equal("OOM", (await Assert.ThrowsAsync<RedisServerException>(() => first)).Code);
            Assert.Equal("OOM", (await Assert.ThrowsAsync<RedisServerException>(() => second)).Code);
        }

        await hand.ExecuteAsync(RedisCommand.Create("CONFIG").Add("SET").Add("maxmemory").Add(0), Cancellation);
        await store.SettleAsync("q", new[] { Settlement.Complete(deliveries[0].Token) }, default, Cancellation);
        Assert.Equal(0, (await backend.Require<IQueueAdmin>().GetStatsAsync("q", Cancellation)).Ready);
    }

    [Fact]
    public async Task OneTokenTwice_InOneBatch_SettlesOnce()
    {
        await using var backend = await OpenAsync();
        var store = backend.Queues!;
        await store.EnqueueAsync("q", new[] { new Envelope(new byte[1]), new Envelope(new byte[1]) }, default, Cancellation);
        await using var receiver = await store.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        var deliveries = new Delivery[2];
        Assert.Equal(2, await receiver.LeaseAsync(deliveries, TimeSpan.Zero, Cancellation));
        var results = new SettleResult[3];
        var (one, two) = (Settlement.Complete(deliveries[0].Token), Settlement.Complete(deliveries[1].Token));
        await store.SettleAsync("q", new[] { one, two, one }, results, Cancellation);
        Assert.Equal([SettleResult.Settled, SettleResult.Settled, SettleResult.LeaseLost], results);
        Assert.Equal(0, (await backend.Require<IQueueAdmin>().GetStatsAsync("q", Cancellation)).Bytes);
    }

    private static Envelope Of(string body, bool hasId, bool isKeyed) => new(Encoding.UTF8.GetBytes(body))
    {
        Id = hasId ? new MessageId(body) : default,
        Key = isKeyed ? "k" + (body.Length % 3) : null,
        Priority = body.Length % 3,
    };

    private async Task<Backend> OpenAsync()
    {
        var server = await RedisFixture.Server;
        return await RedisBackend.OpenAsync(BackendUrl.Parse($"redis://{server.EndPoint}?prefix={_prefix}"), new BackendContext(), Cancellation);
    }
}
