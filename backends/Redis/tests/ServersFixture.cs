using System.Globalization;
using Millrace.Redis.Tests.Clocks;
using Millrace.Storage;
using Millrace.Testing;

namespace Millrace.Redis.Tests;

/// <summary>The backend on servers that all tests of this process share, each fixture under a prefix of its own.</summary>
public abstract class ServersFixture : BackendFixture
{
    private readonly string _prefix = "t" + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..12];

    public override IConformanceClock Clock { get; } = new RealConformanceClock();

    public override bool CanReopen => true;

    public override IReadOnlyCollection<string> AllowedSkips => ["waiting"];

    public override async ValueTask<Backend> OpenAsync(CancellationToken cancellationToken)
    {
        var url = BackendUrl.Parse($"{await FindUrlAsync().WaitAsync(cancellationToken)}?prefix={_prefix}");
        return Clock is ServerClock clock ? await clock.OpenAsync(url, cancellationToken) : await RedisBackend.OpenAsync(url, new BackendContext(), cancellationToken);
    }

    public override ValueTask CrashAsync(Backend backend) => ((RedisBackend)backend).AbandonAsync();

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (Clock is ServerClock clock)
        {
            await clock.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>The URL of the servers, without options.</summary>
    protected abstract Task<string> FindUrlAsync();
}
