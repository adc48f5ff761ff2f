using Millrace.Testing.Servers;

namespace Millrace.Redis.Tests;

/// <summary>The backend behind Sentinel: a primary, two replicas and three Sentinels.</summary>
public class RedisSentinelFixture : ServersFixture
{
    private static readonly Lazy<Task<LocalRedisSentinels>> SharedSet = new(() => LocalRedisSentinels.StartAsync());

    protected override async Task<string> FindUrlAsync()
    {
        var set = await SharedSet.Value;
        return $"redis+sentinel://{set.EndPoints}/{set.Name}/0";
    }
}
