using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Millrace.Client;
using Millrace.Server.Api;

namespace Millrace.Server;

/// <summary>What a node serves, and where. Validated when the server starts.</summary>
public sealed class MillraceServerOptions
{
    /// <summary>Where to listen; <c>http://127.0.0.1:7070</c> unless set. Port 0 takes a free one, see <see cref="MillraceServer.Addresses"/>.</summary>
    public IList<string> Urls { get; } = ["http://127.0.0.1:7070"];

    /// <summary>The instances that are served, by name: <c>default</c> under <c>/api/v1</c>, others under <c>/api/v1/instances/{name}</c>. They stay their owner's.</summary>
    public IDictionary<string, MillraceClient> Instances { get; } = new Dictionary<string, MillraceClient>(StringComparer.Ordinal);

    /// <summary>The limits of requests.</summary>
    public ApiLimits Limits { get; set; } = new();

    /// <summary>The clock of the server's own timers; the system's unless set.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <summary>Where the server logs; nowhere unless set.</summary>
    public ILoggerFactory LoggerFactory { get; set; } = NullLoggerFactory.Instance;
}
