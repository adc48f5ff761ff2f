using Millrace.Testing.Servers;

namespace Millrace.Redis.Tests;

/// <summary>The backend on a single server.</summary>
public class RedisFixture : ServersFixture
{
    private static readonly Lazy<Task<LocalRedis>> SharedServer = new(() => LocalRedis.StartAsync());

    /// <summary>The server. It keeps nothing on disk and ends with the process.</summary>
    internal static Task<LocalRedis> Server => SharedServer.Value;

    protected override async Task<string> FindUrlAsync() => $"redis://{(await Server).EndPoint}";
}
