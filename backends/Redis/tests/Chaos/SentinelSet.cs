using Millrace.Testing.Servers;
using Xunit;

namespace Millrace.Redis.Tests.Chaos;

/// <summary>A primary, two replicas and three Sentinels for the tests of a class, each of which leaves three servers that run.</summary>
public sealed class SentinelSet : IAsyncLifetime
{
    private LocalRedisSentinels? _set;

    public LocalRedisSentinels Set => _set!;

    public async ValueTask InitializeAsync() =>
        _set = await LocalRedisSentinels.StartAsync(cancellationToken: TestContext.Current.CancellationToken);

    public ValueTask DisposeAsync() => _set?.DisposeAsync() ?? default;
}
