namespace Millrace.Server.Health;

/// <summary>How a node is.</summary>
internal enum HealthStatus
{
    /// <summary>Every instance works.</summary>
    Healthy,

    /// <summary>Only optional instances fail, or schedules are not fired in time, or stored data is damaged.</summary>
    Degraded,

    /// <summary>An instance that is needed fails.</summary>
    Unhealthy,
}

/// <summary>The outcome of checking every instance. Immutable.</summary>
/// <param name="Status">Of the node.</param>
/// <param name="Checks">By instance, sorted; with how long the first of its schedules has been due without having been fired, if that is too long.</param>
internal sealed record HealthSummary(HealthStatus Status, IReadOnlyList<(string Instance, HealthCheck Check, TimeSpan? Overdue)> Checks);
