using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Millrace.Server.Hosting;

/// <summary>The limits of connections, below those of the API.</summary>
internal static class ServerLimits
{
    private static readonly TimeSpan RequestHeadersTimeout = TimeSpan.FromSeconds(15);

    // Longer than the minute that common clients keep an idle connection: who reuses one must not meet our end of it.
    private static readonly TimeSpan KeepAliveTimeout = TimeSpan.FromSeconds(130);

    // Far below any network that works: what is slower holds a connection on purpose. The time of grace covers a pause of a good client.
    private static readonly MinDataRate SlowestClient = new(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(5));

    public static void Apply(KestrelServerOptions kestrel, MillraceServerOptions options)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxConcurrentConnections = options.MaxConnections;
        kestrel.Limits.MaxConcurrentUpgradedConnections = options.MaxConnections;
        kestrel.Limits.MaxRequestBodySize = options.Limits.MaxRequestBytes;
        kestrel.Limits.MaxRequestHeaderCount = 100;
        kestrel.Limits.MaxRequestHeadersTotalSize = 32 * 1024;
        kestrel.Limits.MaxRequestLineSize = 8 * 1024;
        kestrel.Limits.RequestHeadersTimeout = RequestHeadersTimeout;
        kestrel.Limits.KeepAliveTimeout = KeepAliveTimeout;
        kestrel.Limits.MinRequestBodyDataRate = SlowestClient;
        kestrel.Limits.MinResponseDataRate = SlowestClient;
        kestrel.Limits.Http2.MaxStreamsPerConnection = 100;
        kestrel.Limits.Http2.MaxRequestHeaderFieldSize = 8 * 1024;
    }
}
