using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Millrace.Server.Hosting;

/// <summary>The limits of connections, below those of the API.</summary>
internal static class ServerLimits
{
    // Longer than the minute that common clients keep an idle connection: who reuses one must not meet our end of it.
    private static readonly TimeSpan KeepAliveTimeout = TimeSpan.FromSeconds(130);

    public static void Apply(KestrelServerOptions kestrel, MillraceServerOptions options)
    {
        var slowest = new MinDataRate(options.Limits.MinBytesPerSecond, options.Limits.SlowTime);
        kestrel.AddServerHeader = false;

        // Counted by ConnectionLimit, and those of STOMP by their broker.
        kestrel.Limits.MaxConcurrentConnections = null;
        kestrel.Limits.MaxConcurrentUpgradedConnections = null;
        kestrel.Limits.MaxRequestBodySize = options.Limits.MaxRequestBytes;
        kestrel.Limits.MaxRequestHeaderCount = 100;
        kestrel.Limits.MaxRequestHeadersTotalSize = 32 * 1024;
        kestrel.Limits.MaxRequestLineSize = 8 * 1024;
        kestrel.Limits.RequestHeadersTimeout = options.Limits.HeadTime;
        kestrel.Limits.KeepAliveTimeout = KeepAliveTimeout;
        kestrel.Limits.MinRequestBodyDataRate = slowest;
        kestrel.Limits.MinResponseDataRate = slowest;
        kestrel.Limits.Http2.MaxStreamsPerConnection = 100;
        kestrel.Limits.Http2.MaxRequestHeaderFieldSize = 8 * 1024;
    }
}
