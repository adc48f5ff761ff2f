namespace Millrace.Storage;

/// <summary>Tells whether a backend works, by a real round trip. Safe for concurrent use.</summary>
public interface IHealthProbe
{
    /// <summary>Makes a round trip. Never throws for an unhealthy backend: that is a report. Reports hold no secrets.</summary>
    ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default);
}

/// <summary>What a probe found.</summary>
/// <param name="IsHealthy">Whether the round trip succeeded.</param>
/// <param name="Duration">How long it took.</param>
/// <param name="Error">What failed; null when healthy.</param>
/// <param name="Details">Facts that an operator wants, such as the durability that the engine is set to.</param>
public sealed record HealthReport(bool IsHealthy, TimeSpan Duration, string? Error, IReadOnlyDictionary<string, string> Details);
