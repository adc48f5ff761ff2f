using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Millrace.Client;
using Millrace.Server.Api;
using Millrace.Server.Health;
using Millrace.Server.Hosting;
using Millrace.Server.Security;

namespace Millrace.Server;

/// <summary>What a node serves, and where. Validated when the server starts.</summary>
public sealed class MillraceServerOptions
{
    internal static readonly TimeSpan LongestDrain = TimeSpan.FromHours(1);
    internal static readonly TimeSpan ShortestHealthTimeout = TimeSpan.FromMilliseconds(10);
    internal static readonly TimeSpan LongestHealthTime = TimeSpan.FromMinutes(1);
    internal const int MostMetricQueues = 100_000;

    /// <summary>Where to listen; <c>http://127.0.0.1:7070</c> unless set. Port 0 takes a free one, see <see cref="MillraceServer.Addresses"/>.</summary>
    public IList<string> Urls { get; } = ["http://127.0.0.1:7070"];

    /// <summary>The instances that are served, by name: <c>default</c> under <c>/api/v1</c>, others under <c>/api/v1/instances/{name}</c>. They stay their owner's.</summary>
    public IDictionary<string, MillraceClient> Instances { get; } = new Dictionary<string, MillraceClient>(StringComparer.Ordinal);

    /// <summary>The instances without which the node still counts as working: their failure makes its health <c>degraded</c> instead of <c>unhealthy</c>. None unless set.</summary>
    public ISet<string> OptionalInstances { get; } = new HashSet<string>(StringComparer.Ordinal);

    /// <summary>Where STOMP is served, beside HTTP; null, as unless set: nowhere.</summary>
    public StompServerOptions? Stomp { get; set; }

    /// <summary>
    /// Whether this node fires the schedules of its instances, those that have queues and state; false unless set, for the application may do so itself. <c>millrace serve</c> does.
    /// </summary>
    public bool RunsSchedulers { get; set; }

    /// <summary>Who may use the server, and from where.</summary>
    public SecurityOptions Security { get; set; } = new();

    /// <summary>The limits of requests.</summary>
    public ApiLimits Limits { get; set; } = new();

    /// <summary>The most HTTP connections at one time; more are closed as they come. 10,000 unless set. Those of STOMP have a limit of their own.</summary>
    public int MaxConnections { get; set; } = 10_000;

    /// <summary>How long a stop waits for running requests before it cuts them; 10 s unless set.</summary>
    public TimeSpan DrainTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a health check waits for an instance; 2 s unless set.</summary>
    public TimeSpan HealthTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>How long the outcome of a health check is given again without a new one; 1 s unless set.</summary>
    public TimeSpan HealthCacheTime { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The most queues of which <c>/metrics</c> tells the counts; 1,000 unless set.</summary>
    public int MaxMetricQueues { get; set; } = 1_000;

    /// <summary>The clock of the server's own timers; the system's unless set.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <summary>Where the server logs; nowhere unless set.</summary>
    public ILoggerFactory LoggerFactory { get; set; } = NullLoggerFactory.Instance;

    /// <summary>Maps endpoints beside the server's own, for tests.</summary>
    internal Action<IEndpointRouteBuilder>? MapMore { get; set; }

    /// <summary>Throws if a value cannot work.</summary>
    internal void Validate()
    {
        Limits.Validate();
        if (FindFaults().Concat(Stomp?.FindUrlFaults(Security) ?? []).Concat(Stomp?.Options.FindFaults() ?? []).FirstOrDefault() is { } fault)
        {
            throw new MillraceConfigurationException(fault);
        }

        if (OptionalInstances.FirstOrDefault(name => !Instances.ContainsKey(name)) is { } unknown)
        {
            throw new MillraceConfigurationException(DescribeUnknownOptional(unknown, Instances.Keys));
        }

        if (Stomp is not null && Instances.ContainsKey(StompProbe.CheckName))
        {
            throw new MillraceConfigurationException($"An instance cannot be called '{StompProbe.CheckName}' where STOMP is served: that is a check of /api/health. Choose another name.");
        }

        if (Stomp is { Instance: var served } && !Instances.ContainsKey(served))
        {
            throw new MillraceConfigurationException(StompServerOptions.DescribeUnknownInstance(served, Instances.Keys));
        }
    }

    /// <summary>What is wrong with the values, apart from the limits, STOMP and the instances.</summary>
    internal IEnumerable<string> FindFaults()
    {
        if (Urls.Count == 0)
        {
            yield return "There is no URL to listen on. Name one, such as http://127.0.0.1:7070.";
        }

        foreach (var fault in Urls.Select(url => ListenUrl.FindFault(url) ?? ServerSecurity.FindFault(url, Security)).OfType<string>())
        {
            yield return fault;
        }

        var ranges = new (bool Holds, string Name, object Value, string Allowed)[]
        {
            (MaxConnections >= 1, nameof(MaxConnections), MaxConnections, "at least 1"),
            (DrainTimeout >= TimeSpan.Zero && DrainTimeout <= LongestDrain, nameof(DrainTimeout), DrainTimeout, "0 to 1 hour"),
            (HealthTimeout >= ShortestHealthTimeout && HealthTimeout <= LongestHealthTime, nameof(HealthTimeout), HealthTimeout, "10 ms to 1 minute"),
            (HealthCacheTime >= TimeSpan.Zero && HealthCacheTime <= LongestHealthTime, nameof(HealthCacheTime), HealthCacheTime, "0 to 1 minute"),
            (MaxMetricQueues is >= 0 and <= MostMetricQueues, nameof(MaxMetricQueues), MaxMetricQueues, "0 to 100,000"),
        };
        foreach (var (_, name, value, allowed) in ranges.Where(range => !range.Holds))
        {
            yield return $"{name} must be {allowed}, not {value}.";
        }
    }

    internal static string DescribeUnknownOptional(string name, IEnumerable<string> instances) =>
        $"The optional instance '{name}' is not configured. Configured are {string.Join(", ", instances.Order(StringComparer.Ordinal).DefaultIfEmpty("none"))}.";
}
