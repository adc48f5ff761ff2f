namespace Millrace.Server.Health;

/// <summary>The outcome of one check. Immutable.</summary>
/// <param name="IsHealthy">Whether its probe succeeded in time.</param>
/// <param name="Duration">How long the probe took, or has been running.</param>
/// <param name="Failure">What kind of failure, for everybody; null when healthy.</param>
/// <param name="Error">What failed, for administrators; null when healthy.</param>
/// <param name="Details">What the probe tells besides, for administrators.</param>
internal sealed record HealthCheck(bool IsHealthy, TimeSpan Duration, string? Failure, string? Error, IReadOnlyDictionary<string, string> Details)
{
    public const string TimedOut = "timed out";
    public const string Failed = "failed";
    public const string Warned = "warning";

    private static readonly Dictionary<string, string> NoDetails = [];

    /// <summary>What administrators should look at although it works; null when nothing is.</summary>
    public string? Warning { get; init; }

    public static HealthCheck Healthy(TimeSpan duration, IReadOnlyDictionary<string, string> details, string? warning = null) => new(true, duration, null, null, details) { Warning = warning };

    public static HealthCheck Unhealthy(TimeSpan duration, string failure, string error, IReadOnlyDictionary<string, string>? details = null) =>
        new(false, duration, failure, error, details ?? NoDetails);
}
