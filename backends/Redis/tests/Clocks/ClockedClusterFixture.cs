using Millrace.Testing;

namespace Millrace.Redis.Tests.Clocks;

/// <summary>The Cluster, by a clock that tests move.</summary>
public sealed class ClockedClusterFixture : RedisClusterFixture
{
    public override IConformanceClock Clock { get; } = new ServerClock();
}
