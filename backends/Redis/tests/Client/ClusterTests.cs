using System.Globalization;
using Millrace.Redis.Client;
using Millrace.Redis.Client.Cluster;
using Millrace.Redis.Client.Connections;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Client;

/// <summary>The client on a Cluster: it finds the node of each key, and follows slots that move and primaries that die.</summary>
public sealed class ClusterTests
{
    private const int Keys = 300;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Cluster_ServesKeysScriptsAndSubscriptions()
    {
        await using var cluster = await LocalRedisCluster.StartAsync(cancellationToken: Cancellation);

        // One node is enough to find the others.
        await using var client = await RedisClients.OpenAsync($"redis://{cluster.Servers[4].EndPoint}/0?cluster=true", Cancellation);
        Assert.True(client.IsCluster);
        await Task.WhenAll(Enumerable.Range(0, Keys).Select(i => client.ExecuteAsync("SET", Key(i), Text(i))));
        var values = await Task.WhenAll(Enumerable.Range(0, Keys).Select(i => client.ExecuteAsync("GET", Key(i))));
        Assert.Equal(Enumerable.Range(0, Keys).Select(i => $"'{i}'"), values);

        var sizes = await client.ExecuteOnPrimariesAsync(() => RedisCommand.Create("DBSIZE"), Cancellation);
        Assert.Equal(cluster.Servers.Take(3).Select(server => server.EndPoint).Order(), sizes.Select(size => size.Server).Order());
        Assert.Equal(Keys, sizes.Sum(size => size.Reply.ToInteger()));
        Assert.All(sizes, size => Assert.True(size.Reply.ToInteger() > 0));

        var script = RedisScript.Of("read", "return redis.call('GET', KEYS[1])");
        values = [.. (await Task.WhenAll(Enumerable.Range(0, Keys).Select(i => client.ExecuteAsync(script.Call(Key(i)), Cancellation).AsTask()))).Select(Replies.Show)];
        Assert.Equal(Enumerable.Range(0, Keys).Select(i => $"'{i}'"), values);
        Assert.Equal("+PONG", Replies.Show(await client.ExecuteAsync(RedisCommand.Create("PING"), Cancellation)));

        var waiting = Enumerable.Range(0, 6).Select(i => client.ExecuteBlockingAsync([RedisClients.Command("BLPOP", $"list{i}", "20")], TimeSpan.FromSeconds(20), Cancellation).AsTask()).ToList();
        await Task.WhenAll(Enumerable.Range(0, 6).Select(i => client.ExecuteAsync("RPUSH", $"list{i}", "x")));
        Assert.Equal(Enumerable.Range(0, 6).Select(i => $"['list{i}' 'x']"), (await Task.WhenAll(waiting)).Select(one => Replies.Show(one[0])));

        await PublishAsync(client);
        var crossing = RedisCommand.Create("MGET").AddKey("a").AddKey("b");
        Assert.Equal("CROSSSLOT", (await Assert.ThrowsAsync<RedisServerException>(() => client.ExecuteAsync(crossing, Cancellation).AsTask())).Code);
    }

    [Fact]
    public async Task Slots_Moving_AreFollowed_WithoutAnError()
    {
        await using var cluster = await LocalRedisCluster.StartAsync(cancellationToken: Cancellation);
        await using var client = await RedisClients.OpenAsync($"redis://{cluster.EndPoints}?timeoutMs=60000", Cancellation);
        var names = Enumerable.Range(0, 20).Select(i => $"channel{i}").ToList();
        var listeners = names.Select(_ => new RecordingListener()).ToList();
        var subscriptions = await Task.WhenAll(names.Select((name, i) => client.SubscribeAsync(RedisSubscriptionKind.Sharded, name, listeners[i], Cancellation).AsTask()));
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var counts = new long[8];
        var traffic = Enumerable.Range(0, counts.Length).Select(caller => Task.Run(
            async () =>
            {
                while (!stopping.IsCancellationRequested)
                {
                    for (var i = 0; i < Keys; i++)
                    {
                        Assert.Equal(counts[caller] + 1, (await client.ExecuteAsync(RedisClients.Command("INCR", $"{caller}/{i}"), Cancellation)).ToInteger());
                    }

                    counts[caller]++;
                }
            },
            Cancellation)).ToList();

        var id = await cluster.Servers[1].ExecuteAsync(["CLUSTER", "MYID"], Cancellation);
        var from = await cluster.Servers[0].ExecuteAsync(["CLUSTER", "MYID"], Cancellation);
        await cluster.ManageAsync(
            ["reshard", cluster.Servers[0].EndPoint, "--cluster-from", from, "--cluster-to", id, "--cluster-slots", "2000", "--cluster-yes"], Cancellation);
        await stopping.CancelAsync();
        await Task.WhenAll(traffic);

        Assert.All(counts, count => Assert.True(count > 0));
        for (var i = 0; i < names.Count; i++)
        {
            // A subscription of a slot that has moved comes back by itself; until then nobody is there to hear.
            var heard = listeners[i].WaitForAsync($"{names[i]}: x", Cancellation);
            while (!heard.IsCompleted)
            {
                await client.ExecuteAsync(RedisCommand.Publish(names[i], "x"u8, client.IsCluster), Cancellation);
                await Task.WhenAny(heard, Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Cancellation));
            }

            await heard;
            await subscriptions[i].DisposeAsync();
            while ((await client.ExecuteAsync(RedisCommand.Publish(names[i], "y"u8, client.IsCluster), Cancellation)).ToInteger() > 0)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Cancellation);
            }
        }
    }

    [Fact]
    public async Task Slot_HalfMoved_IsAskedForAtBothNodes()
    {
        await using var cluster = await LocalRedisCluster.StartAsync(cancellationToken: Cancellation);
        await using var client = await RedisClients.OpenAsync($"redis://{cluster.EndPoints}?timeoutMs=60000", Cancellation);
        var slot = HashSlot.Of("{t}").ToString(CultureInfo.InvariantCulture);
        var source = cluster.Servers.Single(server => IsAt(client, server, HashSlot.Of("{t}")));
        var target = cluster.Servers.Take(3).First(server => server != source);
        var (sourceId, targetId) = (await source.ExecuteAsync(["CLUSTER", "MYID"], Cancellation), await target.ExecuteAsync(["CLUSTER", "MYID"], Cancellation));
        await client.ExecuteAsync("SET", "{t}stays", "1");
        await client.ExecuteAsync("SET", "{t}moves", "2");
        await target.ExecuteAsync(["CLUSTER", "SETSLOT", slot, "IMPORTING", sourceId], Cancellation);
        await source.ExecuteAsync(["CLUSTER", "SETSLOT", slot, "MIGRATING", targetId], Cancellation);
        await source.ExecuteAsync(["MIGRATE", LocalRedis.Host, target.Port.ToString(CultureInfo.InvariantCulture), "{t}moves", "0", "5000"], Cancellation);

        Assert.Equal("'1'", await client.ExecuteAsync("GET", "{t}stays"));
        Assert.Equal("'2'", await client.ExecuteAsync("GET", "{t}moves"));
        Assert.Equal("+OK", await client.ExecuteAsync("SET", "{t}new", "3"));
        var pushed = await client.ExecuteBlockingAsync([RedisClients.Command("RPUSH", "{t}list", "x")], TimeSpan.Zero, Cancellation);
        Assert.Equal("1", Replies.Show(pushed[0]));
        var script = RedisScript.Of("read", "return redis.call('GET', KEYS[1])");
        Assert.Equal("'2'", Replies.Show(await client.ExecuteAsync(script.Call("{t}moves"), Cancellation)));

        // Keys on both sides: it is tried again until the migration is over.
        var both = client.ExecuteAsync(RedisClients.Command("MGET", "{t}stays", "{t}moves"), Cancellation).AsTask();
        await source.ExecuteAsync(["MIGRATE", LocalRedis.Host, target.Port.ToString(CultureInfo.InvariantCulture), "{t}stays", "0", "5000"], Cancellation);
        await target.ExecuteAsync(["CLUSTER", "SETSLOT", slot, "NODE", targetId], Cancellation);
        await source.ExecuteAsync(["CLUSTER", "SETSLOT", slot, "NODE", targetId], Cancellation);
        Assert.Equal("['1' '2']", Replies.Show(await both));
        Assert.Equal("'3'", await client.ExecuteAsync("GET", "{t}new"));
        Assert.True(IsAt(client, target, HashSlot.Of("{t}")));
    }

    [Fact]
    public async Task Primary_Killed_IsReplacedByItsReplica()
    {
        await using var cluster = await LocalRedisCluster.StartAsync(cancellationToken: Cancellation);
        await using var client = await RedisClients.OpenAsync($"redis://{cluster.EndPoints}?timeoutMs=60000", Cancellation);
        await Task.WhenAll(Enumerable.Range(0, Keys).Select(i => client.ExecuteAsync("SET", Key(i), Text(i))));
        foreach (var primary in cluster.Servers.Take(3))
        {
            // On the connection of a write: WAIT looks at what its own connection has written, and what a replica has of that follows all before it.
            var i = Enumerable.Range(0, Keys).First(i => IsAt(client, primary, HashSlot.Of(Key(i))));
            var replies = await client.ExecuteBlockingAsync([RedisClients.Command("SET", Key(i), Text(i)), RedisCommand.Create("WAIT").Add(1).Add(0)], TimeSpan.FromSeconds(30), Cancellation);
            Assert.Equal(1, replies[1].ToInteger());
        }

        var names = Enumerable.Range(0, 10).Select(i => $"channel{i}").ToList();
        var listeners = names.Select(_ => new RecordingListener()).ToList();
        await Task.WhenAll(names.Select((name, i) => client.SubscribeAsync(RedisSubscriptionKind.Sharded, name, listeners[i], Cancellation).AsTask()));
        var dying = cluster.Servers.Single(server => IsAt(client, server, HashSlot.Of(names[0])));
        await dying.KillAsync(Cancellation);

        // Reads may be repeated, so they succeed as soon as the replica has taken over.
        var values = await Task.WhenAll(Enumerable.Range(0, Keys).Select(i => client.ExecuteAsync(RedisClients.Command("GET", Key(i)).MayRepeat(), Cancellation).AsTask()));
        Assert.Equal(Enumerable.Range(0, Keys).Select(i => $"'{i}'"), values.Select(Replies.Show));
        await listeners[0].WaitForAsync("resubscribed", Cancellation);
        var heard = listeners[0].WaitForAsync("channel0: x", Cancellation);
        while (!heard.IsCompleted)
        {
            await client.ExecuteAsync(RedisCommand.Publish(names[0], "x"u8, client.IsCluster).MayRepeat(), Cancellation);
            await Task.WhenAny(heard, Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Cancellation));
        }

        await heard;
    }

    [Theory]
    [InlineData("MOVED 3999 127.0.0.1:6381", ClusterRedirectKind.Moved, 3999, "127.0.0.1:6381")]
    [InlineData("MOVED 3999 ::1:6381", ClusterRedirectKind.Moved, 3999, "[::1]:6381")]
    [InlineData("MOVED 3999 :6381", ClusterRedirectKind.Moved, 3999, "here:6381")]
    [InlineData("ASK 1 host.name:1", ClusterRedirectKind.Ask, 1, "host.name:1")]
    [InlineData("TRYAGAIN Multiple keys request during rehashing of slot", ClusterRedirectKind.Later, 0, "")]
    [InlineData("CLUSTERDOWN Hash slot not served", ClusterRedirectKind.Unserved, 0, "")]
    [InlineData("MOVED 16384 127.0.0.1:6381", ClusterRedirectKind.None, 0, "")]
    [InlineData("MOVED x y", ClusterRedirectKind.None, 0, "")]
    [InlineData("ERR other", ClusterRedirectKind.None, 0, "")]
    public void Redirect_IsRead(string error, object kind, int slot, string server)
    {
        var redirect = ClusterRedirect.Read(RedisReply.OfText(RedisReplyKind.Error, System.Text.Encoding.UTF8.GetBytes(error)), new RedisServerAddress("here", 1));
        Assert.Equal(kind, redirect.Kind);
        Assert.Equal(slot, redirect.Slot);
        Assert.Equal(server, redirect.Server == default ? "" : redirect.Server.ToString());
    }

    [Theory]
    [InlineData("123456789", 12739)]
    [InlineData("foo", 12182)]
    [InlineData("{foo}bar", 12182)]
    [InlineData("a{foo}bar{x}", 12182)]
    [InlineData("{}foo", 9500)]
    public void Slot_IsTheServers(string key, int slot) => Assert.Equal(slot, HashSlot.Of(key));

    private static async Task PublishAsync(IRedisExecutor client)
    {
        var (channel, pattern, sharded) = (new RecordingListener(), new RecordingListener(), new RecordingListener());
        await using var first = await client.SubscribeAsync(RedisSubscriptionKind.Channel, "news", channel, Cancellation);
        await using var second = await client.SubscribeAsync(RedisSubscriptionKind.Pattern, "n*", pattern, Cancellation);
        await using var third = await client.SubscribeAsync(RedisSubscriptionKind.Sharded, "news", sharded, Cancellation);
        await client.ExecuteAsync("PUBLISH", "news", "a");
        Assert.Equal("news: a", await channel.NextAsync(Cancellation));
        Assert.Equal("news: a", await pattern.NextAsync(Cancellation));
        await client.ExecuteAsync(RedisCommand.Publish("news", "b"u8, client.IsCluster), Cancellation);
        Assert.Equal("news: b", await sharded.NextAsync(Cancellation));
        Assert.Equal(0, channel.Count);
    }

    private static bool IsAt(IRedisExecutor client, LocalRedis server, int slot) => ((ClusterExecutor)client).Topology.NodeOf(slot)?.Address.Port == server.Port;

    private static string Key(int i) => string.Create(CultureInfo.InvariantCulture, $"key{i}");

    private static string Text(int i) => i.ToString(CultureInfo.InvariantCulture);
}
