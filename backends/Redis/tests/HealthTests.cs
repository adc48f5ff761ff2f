using Millrace.Redis.Tests.Client;
using Millrace.Storage;
using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests;

/// <summary>What health and the log say of servers that are gone, or are not what they were.</summary>
public sealed class HealthTests
{
    // So long that a probe which waits for it would not end within the test.
    private const string Patient = "timeoutMs=600000&connectTimeoutMs=600000";

    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AServerThatIsGone_IsUnhealthy_SoonAndWithTheReason()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync($"redis://{server.EndPoint}?{Patient}");
        await server.KillAsync(Cancellation);
        Assert.StartsWith($"There was no connection to Redis at {server.EndPoint} ", await FindRefusalAsync(backend), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AServerThatDoesNotAnswer_IsUnhealthy_Soon()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync($"redis://{server.EndPoint}?{Patient}");
        await server.PauseAsync(Cancellation);
        var health = await ProbeAsync(backend);
        Assert.False(health.IsHealthy);
        Assert.Contains($"Redis at {server.EndPoint} has not answered within", health.Error, StringComparison.Ordinal);
        await server.ResumeAsync(Cancellation);
    }

    [Fact]
    public async Task AServerThatBecomesAReplica_IsUnhealthy()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        await using var backend = await OpenAsync($"redis://{server.EndPoint}");
        Assert.True((await ProbeAsync(backend)).IsHealthy);
        await server.ExecuteAsync(["REPLICAOF", LocalRedis.Host, "1"], Cancellation);
        var health = await ProbeAsync(backend);
        Assert.False(health.IsHealthy);
        Assert.Contains($"Redis at {server.EndPoint} is a replica", health.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ANodeOfAClusterThatIsGone_IsNamed_AndCommandsTellTheWholeTimeThatTheyWaited()
    {
        await using var cluster = await LocalRedisCluster.StartAsync(new LocalRedisOptions { DownAfter = TimeSpan.FromMinutes(5) }, Cancellation);
        await using (var backend = await OpenAsync($"redis://{cluster.EndPoints}?{Patient}"))
        {
            Assert.True((await ProbeAsync(backend)).IsHealthy);
            await cluster.Servers[1].KillAsync(Cancellation);
            Assert.StartsWith($"There was no connection to Redis at {cluster.Servers[1].EndPoint} ", await FindRefusalAsync(backend), StringComparison.Ordinal);
        }

        await using var client = await RedisClients.OpenAsync($"redis://{cluster.Servers[0].EndPoint},{cluster.Servers[2].EndPoint}?timeoutMs=700", Cancellation);
        var faults = 0;
        for (var i = 0; i < 20; i++)
        {
            try
            {
                await client.ExecuteAsync("SET", $"k{i}", "v");
            }
            catch (BackendUnavailableException fault)
            {
                faults++;
                Assert.Contains("within 700 ms", fault.Message, StringComparison.Ordinal);
            }
        }

        Assert.True(faults > 0);
    }

    [Theory]
    [InlineData("0", "noeviction")]
    [InlineData("104857600", "allkeys-lru")]
    public async Task TheBoundOfMemory_AndWhatHappensThere_AreInHealthAndLog(string bytes, string policy)
    {
        await using var server = await LocalRedis.StartAsync(new LocalRedisOptions { Arguments = ["--maxmemory", bytes, "--maxmemory-policy", policy] }, Cancellation);
        var log = new RecordedLog();
        await using var backend = await OpenAsync($"redis://{server.EndPoint}", log);
        var expected = $"maxmemory {bytes}, maxmemory-policy {policy}";
        Assert.Equal(expected, (await ProbeAsync(backend)).Details["memory"]);
        Assert.Contains(expected, (await log.WaitForAsync(5100, Cancellation)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TheEndOfAnOutage_IsLogged_AsItsBeginningIs()
    {
        await using var server = await LocalRedis.StartAsync(cancellationToken: Cancellation);
        var log = new RecordedLog();
        await using var backend = await OpenAsync($"redis://{server.EndPoint}", log);
        await log.WaitForAsync(5000, Cancellation);
        await server.KillAsync(Cancellation);
        await log.WaitForAsync(5001, Cancellation);
        Assert.EndsWith("Connection refused; it is tried again", (await log.WaitForAsync(5002, Cancellation)).Text, StringComparison.Ordinal);
        await server.RestartAsync(Cancellation);
        var (level, text) = await log.WaitForAsync(5008, Cancellation);
        Assert.Equal(("Information", $"There is a connection to Redis at {server.EndPoint} again"), (level.ToString(), text));
    }

    [Fact]
    public async Task APrimaryThatWasKilled_AndReplaced_IsLoggedWithTheNewOne()
    {
        await using var set = await LocalRedisSentinels.StartAsync(new LocalRedisOptions { DownAfter = TimeSpan.FromSeconds(1) }, cancellationToken: Cancellation);
        var log = new RecordedLog();
        await using var backend = await OpenAsync($"redis+sentinel://{set.EndPoints}/{set.Name}", log);
        var second = await set.FailOverAsync(primary => primary.KillAsync(Cancellation), Cancellation);
        Assert.EndsWith($"has failed over: the primary is now {second.EndPoint}", (await log.WaitForAsync(5004, Cancellation)).Text, StringComparison.Ordinal);
    }

    /// <summary>What health says when the first attempt to connect again has been made, which may be later than the first probe on a busy machine.</summary>
    private static async Task<string> FindRefusalAsync(Backend backend)
    {
        while (true)
        {
            var health = await ProbeAsync(backend);
            Assert.False(health.IsHealthy);
            if (health.Error!.Contains("Connection refused", StringComparison.Ordinal))
            {
                return health.Error;
            }
        }
    }

    private static async Task<HealthReport> ProbeAsync(Backend backend) => await backend.Health.ProbeAsync(Cancellation).AsTask().WaitAsync(Deadline, TimeProvider.System, Cancellation);

    private static async Task<Backend> OpenAsync(string url, RecordedLog? log = null) =>
        await RedisBackend.OpenAsync(BackendUrl.Parse(url), log is null ? new BackendContext() : new BackendContext { LoggerFactory = log }, Cancellation);
}
