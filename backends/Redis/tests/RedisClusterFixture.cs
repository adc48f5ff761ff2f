using Millrace.Testing.Servers;

namespace Millrace.Redis.Tests;

/// <summary>The backend on a Cluster of three primaries with a replica each.</summary>
public class RedisClusterFixture : ServersFixture
{
    private static readonly Lazy<Task<LocalRedisCluster>> SharedCluster = new(() => LocalRedisCluster.StartAsync());

    protected override async Task<string> FindUrlAsync() => $"redis://{(await SharedCluster.Value).EndPoints}";
}
