using Millrace.Testing;

namespace Millrace.Redis.Tests.Clocks;

/// <summary>The single server, by a clock that tests move.</summary>
public sealed class ClockedFixture : RedisFixture
{
    public override IConformanceClock Clock { get; } = new ServerClock();
}
