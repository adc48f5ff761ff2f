using Millrace.Redis.Client;
using Xunit;

namespace Millrace.Redis.Tests.Client;

/// <summary>Pub/Sub on one server.</summary>
public sealed class SubscriptionTests
{
    private readonly string _name = "c" + Guid.NewGuid().ToString("N");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Messages_ReachWhoeverSubscribes_InOrder()
    {
        await using var client = await OpenAsync();
        var (one, other, pattern) = (new RecordingListener(), new RecordingListener(), new RecordingListener());
        await using var first = await client.SubscribeAsync(RedisSubscriptionKind.Channel, _name, one, Cancellation);
        await using var second = await client.SubscribeAsync(RedisSubscriptionKind.Channel, _name, other, Cancellation);
        await using var third = await client.SubscribeAsync(RedisSubscriptionKind.Pattern, _name + "*", pattern, Cancellation);
        await client.ExecuteAsync("PUBLISH", _name, "a");
        await client.ExecuteAsync("PUBLISH", _name + "x", "b");
        await client.ExecuteAsync("PUBLISH", _name, "c");

        foreach (var listener in (RecordingListener[])[one, other])
        {
            Assert.Equal($"{_name}: a", await listener.NextAsync(Cancellation));
            Assert.Equal($"{_name}: c", await listener.NextAsync(Cancellation));
        }

        Assert.Equal($"{_name}: a", await pattern.NextAsync(Cancellation));
        Assert.Equal($"{_name}x: b", await pattern.NextAsync(Cancellation));
        Assert.Equal($"{_name}: c", await pattern.NextAsync(Cancellation));
        Assert.Equal($"['{_name}' 1]", await client.ExecuteAsync("PUBSUB", "NUMSUB", _name));
    }

    [Fact]
    public async Task LastListener_Gone_EndsTheSubscription()
    {
        await using var client = await OpenAsync();
        var (one, other) = (new RecordingListener(), new RecordingListener());
        var first = await client.SubscribeAsync(RedisSubscriptionKind.Channel, _name, one, Cancellation);
        var second = await client.SubscribeAsync(RedisSubscriptionKind.Channel, _name, other, Cancellation);
        await first.DisposeAsync();
        await first.DisposeAsync();
        await client.ExecuteAsync("PUBLISH", _name, "a");
        Assert.Equal($"{_name}: a", await other.NextAsync(Cancellation));
        Assert.Equal(0, one.Count);
        await second.DisposeAsync();

        // The next one is confirmed after the end of the one before.
        await using var third = await client.SubscribeAsync(RedisSubscriptionKind.Channel, _name, one, Cancellation);
        await client.ExecuteAsync("PUBLISH", _name, "b");
        Assert.Equal($"{_name}: b", await one.NextAsync(Cancellation));
        Assert.Equal(0, other.Count);
    }

    [Fact]
    public async Task Connection_Cut_SubscribesAgain_AndSaysSo()
    {
        await using var server = await Millrace.Testing.Servers.LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var client = await RedisClients.OpenAsync($"redis://{server.EndPoint}", Cancellation);
        var (one, other) = (new RecordingListener(), new RecordingListener());
        await using var first = await client.SubscribeAsync(RedisSubscriptionKind.Channel, _name, one, Cancellation);
        await using var second = await client.SubscribeAsync(RedisSubscriptionKind.Pattern, _name + "*", other, Cancellation);
        await client.ExecuteAsync("CLIENT", "KILL", "TYPE", "pubsub");
        Assert.Equal("resubscribed", await one.NextAsync(Cancellation));
        Assert.Equal("resubscribed", await other.NextAsync(Cancellation));
        await client.ExecuteAsync("PUBLISH", _name, "a");
        Assert.Equal($"{_name}: a", await one.NextAsync(Cancellation));
        Assert.Equal($"{_name}: a", await other.NextAsync(Cancellation));

        await server.RestartAsync(Cancellation);
        Assert.Equal("resubscribed", await one.NextAsync(Cancellation));
    }

    [Fact]
    public async Task ShardedSubscription_OnASingleServer_IsAChannel()
    {
        await using var client = await OpenAsync();
        var listener = new RecordingListener();
        await using var subscription = await client.SubscribeAsync(RedisSubscriptionKind.Sharded, _name, listener, Cancellation);
        await client.ExecuteAsync(RedisCommand.Publish(_name, "a"u8, client.IsCluster), Cancellation);
        Assert.Equal($"{_name}: a", await listener.NextAsync(Cancellation));
    }

    [Fact]
    public async Task ManySubscriptions_AreMadeAtOnce_AndMessagesAreFast()
    {
        const int many = 5_000;
        await using var client = await OpenAsync();
        var listeners = Enumerable.Range(0, many).Select(_ => new RecordingListener()).ToList();
        var subscriptions = await Task.WhenAll(listeners.Select((listener, i) => client.SubscribeAsync(RedisSubscriptionKind.Channel, $"{_name}{i}", listener, Cancellation).AsTask()));
        var heard = await Task.WhenAll(Enumerable.Range(0, many).Select(i => client.ExecuteAsync("PUBLISH", $"{_name}{i}", "x")));
        Assert.All(heard, count => Assert.Equal("1", count));
        for (var i = 0; i < many; i++)
        {
            Assert.Equal($"{_name}{i}: x", await listeners[i].NextAsync(Cancellation));
            await subscriptions[i].DisposeAsync();
        }
    }

    [Fact]
    public async Task Subscription_ThatTheServerRefuses_IsAFaultOfItsCaller()
    {
        await using var server = await Millrace.Testing.Servers.LocalRedis.StartAsync(cancellationToken: Cancellation);
        await server.ExecuteAsync(["ACL", "SETUSER", "limited", "on", ">secret", "~*", "&allowed*", "+@all"], Cancellation);
        await using var client = await RedisClients.OpenAsync($"redis://limited:secret@{server.EndPoint}", Cancellation);
        var (good, bad) = (new RecordingListener(), new RecordingListener());
        var refused = client.SubscribeAsync(RedisSubscriptionKind.Channel, "forbidden", bad, Cancellation).AsTask();
        await using var allowed = await client.SubscribeAsync(RedisSubscriptionKind.Channel, "allowed", good, Cancellation);
        Assert.Equal("NOPERM", (await Assert.ThrowsAsync<RedisServerException>(() => refused)).Code);
        await client.ExecuteAsync("PUBLISH", "allowed", "a");
        Assert.Equal("allowed: a", await good.NextAsync(Cancellation));
    }

    private static async Task<IRedisExecutor> OpenAsync() => await RedisClients.OpenAsync($"redis://{(await RedisFixture.Server).EndPoint}", Cancellation);
}
