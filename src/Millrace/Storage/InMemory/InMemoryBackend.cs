namespace Millrace.Storage.InMemory;

/// <summary>The backend <c>memory:</c>: the reference semantics of every shape, in this process, lost with it.</summary>
public sealed class InMemoryBackend : Backend, IHealthProbe
{
    /// <inheritdoc/>
    public override string Name => "memory";

    /// <inheritdoc/>
    public override IHealthProbe Health => this;

    /// <summary>Opens a new, empty backend: two of them share nothing.</summary>
    public static ValueTask<Backend> OpenAsync(BackendUrl url, BackendContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(url);
        ArgumentNullException.ThrowIfNull(context);
        url.ReadOptions().RejectUnknown();
        return new(new InMemoryBackend());
    }

    /// <inheritdoc/>
    public ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default) =>
        new(new HealthReport(true, TimeSpan.Zero, null, new Dictionary<string, string>()));

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => default;
}
