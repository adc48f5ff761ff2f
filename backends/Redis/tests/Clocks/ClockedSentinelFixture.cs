using Millrace.Testing;

namespace Millrace.Redis.Tests.Clocks;

/// <summary>The servers behind Sentinel, by a clock that tests move.</summary>
public sealed class ClockedSentinelFixture : RedisSentinelFixture
{
    public override IConformanceClock Clock { get; } = new ServerClock();
}
