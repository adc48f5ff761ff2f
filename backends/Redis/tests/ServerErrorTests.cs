using Millrace.Redis.Client;
using Millrace.Redis.Client.Named;
using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests;

/// <summary>What callers are told when a server answers with an error: which server, what happened, and what can be done.</summary>
public sealed class ServerErrorTests
{
    private static readonly Envelope[] One = [new(new byte[100])];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task TooFewReplicas_AreSaidWithTheServerAndTheSetting_AndAreTransient()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync($"redis://{server.EndPoint}");
        await server.ExecuteAsync(["CONFIG", "SET", "min-replicas-to-write", "1"], Cancellation);
        await FailsAsync(backend, "NOREPLICAS", server, "min-replicas-to-write", isTransient: true);
    }

    [Fact]
    public async Task AFullMemory_IsSaidWithTheServerAndTheSetting_AndIsTransient()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync($"redis://{server.EndPoint}");
        await server.ExecuteAsync(["CONFIG", "SET", "maxmemory", "1"], Cancellation);
        await FailsAsync(backend, "OOM", server, "maxmemory", isTransient: true);
    }

    [Fact]
    public async Task APrimaryThatHasBecomeAReplica_IsSaid_AndIsTransient()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync($"redis://{server.EndPoint}");
        await server.ExecuteAsync(["REPLICAOF", LocalRedis.Host, "1"], Cancellation);
        await FailsAsync(backend, "READONLY", server, "name its primary", isTransient: true);
    }

    [Fact]
    public async Task ASnapshotThatFailed_IsSaid_AndIsTransient()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync($"redis://{server.EndPoint}");

        // The name of the file is taken by a folder, so that no snapshot can be written.
        Directory.CreateDirectory(Path.Combine(server.Folder, "dump.rdb"));
        await server.ExecuteAsync(["CONFIG", "SET", "save", "3600 1"], Cancellation);
        var log = server.LogLines;
        await server.ExecuteAsync(["BGSAVE"], Cancellation);
        await server.WaitForLogAsync("Background saving error", log, Cancellation);
        await FailsAsync(backend, "MISCONF", server, "see to its disk", isTransient: true);
    }

    [Fact]
    public async Task AMissingRight_IsSaidWithTheUser_AndIsNotTransient()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await server.ExecuteAsync(["ACL", "SETUSER", "lim", "on", ">secret", "~*", "&*", "+@all", "-evalsha"], Cancellation);
        await using var backend = await OpenAsync($"redis://lim:secret@{server.EndPoint}");
        await FailsAsync(backend, "NOPERM", server, "the user 'lim'", isTransient: false);

        // A part of a script that is not allowed is told in other words.
        await server.ExecuteAsync(["ACL", "SETUSER", "lim", "+evalsha", "+script", "-@write", "-@read"], Cancellation);
        await FailsAsync(backend, null, server, "does not let the user 'lim' do this", isTransient: false);
    }

    [Theory]
    [InlineData("LOADING Redis is loading the dataset in memory", true, "still loading")]
    [InlineData("WRONGPASS invalid username-password pair or user is disabled.", false, "the password in the URL is wrong")]
    [InlineData("NOAUTH Authentication required.", false, "wants a login")]
    [InlineData("CLUSTERDOWN Hash slot not served", true, "has no primary")]
    [InlineData("WRONGTYPE Operation against a key holding the wrong kind of value", false, "answered with an error: WRONGTYPE")]
    public void OtherErrors_NameTheServer_AndSayWhatTheyMean(string error, bool isTransient, string meaning)
    {
        var fault = new RedisServerException(error, "h:1", "u");
        Assert.Equal(isTransient, fault.IsTransient);
        Assert.Contains("Redis at h:1", fault.Message, StringComparison.Ordinal);
        Assert.Contains(meaning, fault.Message, StringComparison.Ordinal);
        Assert.Contains(error, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AShortWait_SaysWhereTheMessageIs_AndWhatMayBecomeOfIt()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync($"redis://{server.EndPoint}?wait=2&waitTimeoutMs=50");
        var queues = backend.Require<IQueueStore>();
        var fault = await Assert.ThrowsAsync<BackendUnavailableException>(() => queues.EnqueueAsync("orders}%", One, default, Cancellation).AsTask());
        Assert.True(fault.MayHaveBeenApplied);
        Assert.Contains($"The write to the queue 'orders}}%' is stored at Redis at {server.EndPoint}", fault.Message, StringComparison.Ordinal);
        Assert.Contains("only 0 of the 2 replicas", fault.Message, StringComparison.Ordinal);
        Assert.Equal(1, (await backend.Require<IQueueAdmin>().GetStatsAsync("orders}%", Cancellation)).Ready);
    }

    [Fact]
    public async Task AReplica_IsRefusedByStores_AndAClientOfItIsUnhealthy()
    {
        await using var primary = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var replica = await LocalRedis.StartAsync(
            new LocalRedisOptions { Arguments = ["--replicaof", $"{LocalRedis.Host} {primary.Port}"] }, Cancellation);
        var refused = await Assert.ThrowsAsync<MillraceConfigurationException>(() => OpenAsync($"redis://{replica.EndPoint}"));
        Assert.Contains($"Redis at {replica.EndPoint} is a replica", refused.Message, StringComparison.Ordinal);
        Assert.Contains("redis+sentinel://", refused.Message, StringComparison.Ordinal);

        // Somebody may want to read there.
        await using var client = await RedisClient.OpenAsync($"redis://{replica.EndPoint}", cancellationToken: Cancellation);
        Assert.Null((await client.ExecuteAsync("GET", ["a"], Cancellation)).ToText());
        var health = await client.ProbeAsync(Cancellation);
        Assert.False(health.IsHealthy);
        Assert.Contains("is a replica, which takes no writes", health.Error, StringComparison.Ordinal);
    }

    private static async Task FailsAsync(Backend backend, string? code, LocalRedis server, string remedy, bool isTransient)
    {
        var fault = await Assert.ThrowsAsync<RedisServerException>(() => backend.Require<IQueueStore>().EnqueueAsync("q", One, default, Cancellation).AsTask());
        Assert.Equal((code ?? fault.Code, isTransient), (fault.Code, fault.IsTransient));
        Assert.Contains($"Redis at {server.EndPoint} ", fault.Message, StringComparison.Ordinal);
        Assert.Contains(remedy, fault.Message, StringComparison.Ordinal);
    }

    private static async Task<Backend> OpenAsync(string url) => await RedisBackend.OpenAsync(BackendUrl.Parse(url), new BackendContext(), Cancellation);
}
