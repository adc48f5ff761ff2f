namespace Millrace.Server.Health;

/// <summary>How a node is.</summary>
internal enum HealthStatus
{
    /// <summary>Every check succeeds.</summary>
    Healthy,

    /// <summary>Only optional instances fail, or something warns: schedules are not fired in time, stored data is damaged, STOMP has no room for more connections.</summary>
    Degraded,

    /// <summary>An instance that is needed fails, or a listener of STOMP accepts nobody.</summary>
    Unhealthy,
}

/// <summary>The outcome of every check. Immutable.</summary>
/// <param name="Status">Of the node.</param>
/// <param name="Checks">By instance, sorted, then STOMP; with how long the first of its schedules has been due without having been fired, if that is too long.</param>
internal sealed record HealthSummary(HealthStatus Status, IReadOnlyList<(string Instance, HealthCheck Check, TimeSpan? Overdue)> Checks);
