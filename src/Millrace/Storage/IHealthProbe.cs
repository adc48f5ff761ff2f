namespace Millrace.Storage;

/// <summary>Tells whether a backend works, by a real round trip. Safe for concurrent use.</summary>
public interface IHealthProbe
{
    /// <summary>Makes a round trip. Never throws for an unhealthy backend: that is a report. Reports hold no secrets.</summary>
    ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Why the backend, or a part of it, takes nothing more until it is opened again; null while that is not so, and for backends that mend themselves. Answers at once.
    /// </summary>
    string? FindPermanentFailure() => null;
}

/// <summary>What a probe found.</summary>
/// <param name="IsHealthy">Whether the round trip succeeded.</param>
/// <param name="Duration">How long it took.</param>
/// <param name="Error">What failed; null when healthy.</param>
/// <param name="Details">Facts that an operator wants, such as the durability that the engine is set to.</param>
public sealed record HealthReport(bool IsHealthy, TimeSpan Duration, string? Error, IReadOnlyDictionary<string, string> Details)
{
    /// <summary>What people should look at although the round trip succeeded, such as damage to stored data; null when nothing is.</summary>
    public string? Warning { get; init; }
}
