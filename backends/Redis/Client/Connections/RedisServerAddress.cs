using System.Globalization;
using Millrace.Storage;

namespace Millrace.Redis.Client.Connections;

/// <summary>Where a server listens.</summary>
/// <param name="Host">A name or an address, without brackets.</param>
/// <param name="Port">The port.</param>
internal readonly record struct RedisServerAddress(string Host, int Port)
{
    public const int DefaultPort = 6379;

    public const int DefaultSentinelPort = 26379;

    public static RedisServerAddress Of(BackendHost host, int defaultPort) => new(host.Name, host.Port ?? defaultPort);

    public override string ToString() =>
        Host.Contains(':', StringComparison.Ordinal)
            ? string.Create(CultureInfo.InvariantCulture, $"[{Host}]:{Port}")
            : string.Create(CultureInfo.InvariantCulture, $"{Host}:{Port}");
}
