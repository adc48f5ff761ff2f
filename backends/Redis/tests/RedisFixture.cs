using System.Globalization;
using Millrace.Storage;
using Millrace.Testing;
using Millrace.Testing.Servers;

namespace Millrace.Redis.Tests;

/// <summary>The backend <c>redis:</c> on a server that all tests of this process share, each fixture under a prefix of its own.</summary>
public class RedisFixture : BackendFixture
{
    private static readonly Lazy<Task<LocalRedis>> SharedServer = new(() => LocalRedis.StartAsync());

    private readonly string _prefix = "t" + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..12];

    public override IConformanceClock Clock { get; } = new RealConformanceClock();

    public override bool CanReopen => true;

    public override IReadOnlyCollection<string> AllowedSkips => ["waiting"];

    /// <summary>The server. It keeps nothing on disk and ends with the process.</summary>
    internal static Task<LocalRedis> Server => SharedServer.Value;

    public override async ValueTask<Backend> OpenAsync(CancellationToken cancellationToken)
    {
        var url = await FindUrlAsync().WaitAsync(cancellationToken);
        return await RedisBackend.OpenAsync(BackendUrl.Parse($"{url}?prefix={_prefix}"), new BackendContext(), cancellationToken);
    }

    public override ValueTask CrashAsync(Backend backend) => ((RedisBackend)backend).AbandonAsync();

    /// <summary>The URL of the servers, without options.</summary>
    protected virtual async Task<string> FindUrlAsync() => $"redis://{(await Server).EndPoint}";
}
