using System.Net.NetworkInformation;
using Millrace.Redis.Client;
using Millrace.Redis.Tests.Client;
using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Topologies;

/// <summary>Each kind of servers over TLS and over IPv6: what they say of each other is understood, and is reached in the same way.</summary>
public sealed class TransportTests
{
    private const string Host6 = "::1";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(LocalRedis.Host)]
    [InlineData(Host6)]
    public async Task SingleServer_OverTls_ServesEveryShape(string address)
    {
        RequireAddress(address);
        using var certificates = new Certificates();
        await using var server = await LocalRedis.StartAsync(new LocalRedisOptions { Address = address, Tls = certificates.Sign("own", address) }, Cancellation);
        await WorkAsync($"rediss://{server.EndPoint}?{Options(certificates)}");
    }

    [Fact]
    public async Task SingleServer_OverIPv6_ServesEveryShape()
    {
        RequireAddress(Host6);
        await using var server = await LocalRedis.StartAsync(new LocalRedisOptions { Address = Host6 }, Cancellation);
        await WorkAsync($"redis://{server.EndPoint}/0");
    }

    [Theory]
    [InlineData(LocalRedis.Host)]
    [InlineData(Host6)]
    public async Task Sentinels_OverTls_NameAPrimary_ThatIsFollowed(string address)
    {
        RequireAddress(address);
        using var certificates = new Certificates();
        var options = new LocalRedisOptions { Address = address, Tls = certificates.Sign("own", address) };
        await using var set = await LocalRedisSentinels.StartAsync(options, cancellationToken: Cancellation);

        // The others are learned from the one that is named.
        var url = $"rediss+sentinel://{set.Sentinels[0].EndPoint}/{set.Name}/0?{Options(certificates)}";
        await WorkAsync(url);
        await using var client = await RedisClients.OpenAsync(url, Cancellation);
        var listener = new RecordingListener();
        await using var subscription = await client.SubscribeAsync(RedisSubscriptionKind.Channel, "c", listener, Cancellation);
        var first = await FindPrimaryAsync(client);
        Assert.Equal(set.Servers[0].EndPoint, first);
        await set.Sentinels[0].KillAsync(Cancellation);
        var second = await FailOverAsync(set);
        await Eventually.HoldsAsync(async () => await FindPrimaryAsync(client) != first);
        Assert.Equal(second, await FindPrimaryAsync(client));
        await listener.WaitForAsync("resubscribed", Cancellation);
    }

    [Theory]
    [InlineData(LocalRedis.Host)]
    [InlineData(Host6)]
    public async Task Cluster_OverTls_NamesItsNodes_AndSendsOn(string address)
    {
        RequireAddress(address);
        using var certificates = new Certificates();
        var options = new LocalRedisOptions { Address = address, Tls = certificates.Sign("own", address) };
        await using var cluster = await LocalRedisCluster.StartAsync(options, Cancellation);

        // The others are learned from the one that is named.
        var url = $"rediss://{cluster.Servers[4].EndPoint}?cluster=true&{Options(certificates)}";
        await WorkAsync(url);
        await using var client = await RedisClients.OpenAsync(url, Cancellation);
        var primaries = await client.ExecuteOnPrimariesAsync(() => RedisCommand.Create("PING"), Cancellation);
        Assert.Equal(cluster.Servers.Take(3).Select(server => server.EndPoint).Order(), primaries.Select(primary => primary.Server).Order());

        // A primary that becomes a replica sends on to the one that was its replica.
        await cluster.FailOverAsync(cluster.Servers[3], Cancellation);
        var keys = Enumerable.Range(0, 60).Select(i => $"key{i}").ToList();
        await Eventually.HoldsAsync(async () =>
        {
            var replies = await Task.WhenAll(keys.Select(key => client.ExecuteAsync(RedisClients.Command("SET", key, key).MayRepeat(), Cancellation).AsTask()));
            Assert.All(replies, reply => Assert.Equal("+OK", Replies.Show(reply)));
            return (await client.ExecuteOnPrimariesAsync(() => RedisCommand.Create("PING"), Cancellation)).Any(primary => primary.Server == cluster.Servers[3].EndPoint);
        });
        Assert.Equal(keys.Select(key => $"'{key}'"), await Task.WhenAll(keys.Select(key => client.ExecuteAsync("GET", key))));
    }

    // Some containers have no IPv6.
    private static void RequireAddress(string address) => Assert.SkipUnless(
        address == LocalRedis.Host || NetworkInterface.GetAllNetworkInterfaces().Any(one => one.GetIPProperties().UnicastAddresses.Any(own => own.Address.ToString() == address)),
        $"This machine has no address {address}.");

    private static string Options(Certificates certificates) => $"ca={certificates.Authority}&cert={certificates.Folder}/own.pem&key={certificates.Folder}/own.key";

    private static async Task<string> FindPrimaryAsync(IRedisExecutor client) =>
        Assert.Single(await client.ExecuteOnPrimariesAsync(() => RedisCommand.Create("PING").MayRepeat(), Cancellation)).Server;

    /// <summary>Has the sentinels that are left choose another primary.</summary>
    private static async Task<string> FailOverAsync(LocalRedisSentinels set)
    {
        var from = set.Sentinels[1].LogLines;
        await set.Servers[0].KillAsync(Cancellation);
        var line = await set.Sentinels[1].WaitForLogAsync($"+switch-master {set.Name} ", from, Cancellation);
        return set.Servers.Single(server => line.TrimEnd().EndsWith($" {server.Port}", StringComparison.Ordinal)).EndPoint;
    }

    /// <summary>A message, a record, a publication, a lock and a document.</summary>
    private static async Task WorkAsync(string url)
    {
        await using var backend = await RedisBackend.OpenAsync(BackendUrl.Parse(url), new BackendContext(), Cancellation);
        await using var receiver = await backend.Queues!.OpenReceiverAsync("q", new ReceiverOptions(), Cancellation);
        var into = new Delivery[1];
        var waiting = receiver.LeaseAsync(into, Timeout.InfiniteTimeSpan, Cancellation).AsTask();
        await backend.Queues.EnqueueAsync("q", new[] { new Envelope("body"u8.ToArray()) }, default, Cancellation);
        Assert.Equal(1, await waiting);
        await backend.Queues.SettleAsync("q", new[] { Settlement.Complete(into[0].Token) }, default, Cancellation);

        await using var partition = await backend.Streams!.OpenPartitionAsync(new StreamPartitionContext { Stream = "s", Partition = 0, PartitionCount = 1 }, Cancellation);
        var grown = partition.WaitForAsync(0, Cancellation).AsTask();
        await partition.AppendAsync(new AppendRequest(new StreamRecord[1]), Cancellation);
        await grown;

        await using var subscription = await backend.Channels!.SubscribeAsync(TopicPattern.Parse("t*"), SubscriptionOptions.Default, Cancellation);
        await backend.Channels.PublishAsync("t", new Envelope("news"u8.ToArray()), Cancellation);
        Assert.Equal(1, await subscription.ReadAsync(new ChannelMessage[1], Cancellation));

        Assert.NotNull(await backend.Locks!.TryAcquireAsync("l", "me", TimeSpan.FromMinutes(1), Cancellation));
        Assert.True((await backend.State!.PutAsync("k", new byte[1], null, Cancellation)).Written);
    }
}
