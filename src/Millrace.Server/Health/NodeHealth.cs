using Microsoft.Extensions.Hosting;
using Millrace.Server.Hosting;
using Millrace.Storage;

namespace Millrace.Server.Health;

/// <summary>Whether the node, each of its instances and its STOMP work. Safe for concurrent use.</summary>
internal sealed class NodeHealth
{
    private readonly MillraceServerOptions _options;
    private readonly IHostApplicationLifetime _lifetime;
    private readonly NodeSchedulers _schedulers;
    private readonly List<InstanceHealth> _checks = [];

    /// <summary>The health of a node.</summary>
    /// <param name="options">Its options.</param>
    /// <param name="lifetime">Tells when it stops.</param>
    /// <param name="schedulers">What fires its schedules.</param>
    /// <param name="stomp">The probe of its STOMP; null where it serves none.</param>
    public NodeHealth(MillraceServerOptions options, IHostApplicationLifetime lifetime, NodeSchedulers schedulers, IHealthProbe? stomp)
    {
        _options = options;
        _lifetime = lifetime;
        _schedulers = schedulers;
        var logger = options.LoggerFactory.CreateLogger("Millrace.Server.Health");
        foreach (var (name, client) in options.Instances.OrderBy(instance => instance.Key, StringComparer.Ordinal))
        {
            Add(name, () => client.Health);
        }

        if (stomp is not null)
        {
            Add(StompProbe.CheckName, () => stomp);
        }

        void Add(string name, Func<IHealthProbe> probe) =>
            _checks.Add(new InstanceHealth(name, probe, options.HealthTimeout, options.HealthCacheTime, options.TimeProvider, logger));
    }

    /// <summary>Why the node takes no requests now; null when it does.</summary>
    public string? FindReasonNotReady() =>
        _lifetime.ApplicationStopping.IsCancellationRequested ? "stopping"
        : !_options.Instances.Values.All(client => client.IsOpen) ? "not every store is open"
        : _options.Instances.Any(instance => !_options.OptionalInstances.Contains(instance.Key) && instance.Value.Health.FindPermanentFailure() is not null)
            ? "a store has failed until it is opened again"
        : null;

    /// <summary>Checks one instance.</summary>
    public async ValueTask<bool> IsHealthyAsync(string instance, CancellationToken cancellationToken) =>
        (await _checks.Single(check => check.Instance == instance).CheckAsync(cancellationToken).ConfigureAwait(false)).IsHealthy;

    /// <summary>Makes every check at the same time.</summary>
    public async ValueTask<HealthSummary> CheckAsync(CancellationToken cancellationToken)
    {
        var running = _checks.ConvertAll(check => check.CheckAsync(cancellationToken).AsTask());
        var found = await Task.WhenAll(running).ConfigureAwait(false);
        var checks = _checks.Select((check, index) => (check.Instance, Check: found[index], Overdue: _schedulers.FindOverdue(check.Instance))).ToList();
        var failing = checks.Where(check => !check.Check.IsHealthy).ToList();
        var status = failing.Count == 0 ? (checks.Exists(check => check.Overdue is not null || check.Check.Warning is not null) ? HealthStatus.Degraded : HealthStatus.Healthy)
            : failing.TrueForAll(check => _options.OptionalInstances.Contains(check.Instance)) ? HealthStatus.Degraded
            : HealthStatus.Unhealthy;
        return new HealthSummary(status, checks);
    }
}
