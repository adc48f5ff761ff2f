using Microsoft.Extensions.Hosting;
using Millrace.Server.Hosting;

namespace Millrace.Server.Health;

/// <summary>Whether the node and each of its instances work. Safe for concurrent use.</summary>
internal sealed class NodeHealth
{
    private readonly MillraceServerOptions _options;
    private readonly IHostApplicationLifetime _lifetime;
    private readonly NodeSchedulers _schedulers;
    private readonly List<InstanceHealth> _instances = [];

    public NodeHealth(MillraceServerOptions options, IHostApplicationLifetime lifetime, NodeSchedulers schedulers)
    {
        _options = options;
        _lifetime = lifetime;
        _schedulers = schedulers;
        var logger = options.LoggerFactory.CreateLogger("Millrace.Server.Health");
        foreach (var (name, client) in options.Instances.OrderBy(instance => instance.Key, StringComparer.Ordinal))
        {
            _instances.Add(new InstanceHealth(name, () => client.Health, options.HealthTimeout, options.HealthCacheTime, options.TimeProvider, logger));
        }
    }

    /// <summary>Why the node takes no requests now; null when it does.</summary>
    public string? FindReasonNotReady() =>
        _lifetime.ApplicationStopping.IsCancellationRequested ? "stopping"
        : !_options.Instances.Values.All(client => client.IsOpen) ? "not every store is open"
        : _options.Instances.Any(instance => !_options.OptionalInstances.Contains(instance.Key) && instance.Value.Health.FindPermanentFailure() is not null)
            ? "a store has failed until it is opened again"
        : null;

    /// <summary>Checks every instance at the same time.</summary>
    public async ValueTask<HealthSummary> CheckAsync(CancellationToken cancellationToken)
    {
        var running = _instances.ConvertAll(instance => instance.CheckAsync(cancellationToken).AsTask());
        var found = await Task.WhenAll(running).ConfigureAwait(false);
        var checks = _instances.Select((instance, index) => (instance.Instance, Check: found[index], Overdue: _schedulers.FindOverdue(instance.Instance))).ToList();
        var failing = checks.Where(check => !check.Check.IsHealthy).ToList();
        var status = failing.Count == 0 ? (checks.Exists(check => check.Overdue is not null || check.Check.Warning is not null) ? HealthStatus.Degraded : HealthStatus.Healthy)
            : failing.TrueForAll(check => _options.OptionalInstances.Contains(check.Instance)) ? HealthStatus.Degraded
            : HealthStatus.Unhealthy;
        return new HealthSummary(status, checks);
    }
}
