using System.Globalization;
using Millrace.Storage;
using Millrace.Testing;
using Millrace.Testing.Servers;

namespace Millrace.Redis.Tests;

/// <summary>The backend <c>redis:</c> on a server that all tests of this process share, each fixture under a prefix of its own.</summary>
public sealed class RedisFixture : BackendFixture
{
    private static readonly Lazy<Task<LocalRedis>> SharedServer = new(() => LocalRedis.StartAsync());

    private readonly string _prefix = "t" + Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..12];

    public override IConformanceClock Clock { get; } = new RealConformanceClock();

    public override bool CanReopen => true;

    /// <summary>The server. It keeps nothing on disk and ends with the process.</summary>
    internal static Task<LocalRedis> Server => SharedServer.Value;

    public override async ValueTask<Backend> OpenAsync(CancellationToken cancellationToken)
    {
        var server = await Server.WaitAsync(cancellationToken);
        return await RedisBackend.OpenAsync(BackendUrl.Parse($"redis://{server.EndPoint}?prefix={_prefix}"), new BackendContext(), cancellationToken);
    }
}
