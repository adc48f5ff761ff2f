using Millrace.Storage;

namespace Millrace.Server.Tests;

/// <summary>A backend whose probe is a test's own function.</summary>
internal sealed class FakeBackend(Func<CancellationToken, ValueTask<HealthReport>> probe) : Backend, IHealthProbe
{
    private int _probes;

    public static readonly HealthReport Healthy = new(true, TimeSpan.FromMilliseconds(1), null, new Dictionary<string, string> { ["file"] = "secret.db" });

    /// <summary>How many probes have begun.</summary>
    public int Probes => Volatile.Read(ref _probes);

    public override string Name => "fake";

    public override IHealthProbe Health => this;

    public ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default)
    {
        Interlocked.Increment(ref _probes);
        return probe(cancellationToken);
    }

    public override ValueTask DisposeAsync() => default;
}
