using Millrace.Storage;

namespace Millrace.Server.Tests.Errors;

/// <summary>A backend with queues and state that can be told to fail.</summary>
internal sealed class FailingBackend(Backend inner) : Backend, IQueueStore, IStateStore, IHealthProbe
{
    private volatile bool _isFailing;

    public bool IsFailing
    {
        get => _isFailing;
        set => _isFailing = value;
    }

    public override string Name => "failing";

    public override IQueueStore Queues => this;

    public override IStateStore State => this;

    public override IHealthProbe Health => this;

    public QueueCapabilities Capabilities => inner.Queues!.Capabilities;

    public ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default) =>
        new(new HealthReport(!IsFailing, TimeSpan.Zero, IsFailing ? "It is told to fail." : null, new Dictionary<string, string>()));

    public ValueTask EnqueueAsync(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, CancellationToken cancellationToken = default) =>
        Working().Queues!.EnqueueAsync(queue, batch, results, cancellationToken);

    public ValueTask<IQueueReceiver> OpenReceiverAsync(string queue, ReceiverOptions options, CancellationToken cancellationToken = default) =>
        Working().Queues!.OpenReceiverAsync(queue, options, cancellationToken);

    public ValueTask SettleAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken = default) =>
        Working().Queues!.SettleAsync(queue, batch, results, cancellationToken);

    public ValueTask<StateDocument?> GetAsync(string key, CancellationToken cancellationToken = default) => Working().State!.GetAsync(key, cancellationToken);

    public ValueTask<StateWriteResult> PutAsync(string key, ReadOnlyMemory<byte> value, long? expectedVersion, CancellationToken cancellationToken = default) =>
        Working().State!.PutAsync(key, value, expectedVersion, cancellationToken);

    public ValueTask<StateWriteResult> DeleteAsync(string key, long? expectedVersion, CancellationToken cancellationToken = default) =>
        Working().State!.DeleteAsync(key, expectedVersion, cancellationToken);

    public ValueTask<StatePage> ListAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default) =>
        Working().State!.ListAsync(prefix, after, limit, cancellationToken);

    public ValueTask<long> WaitForChangeAsync(string prefix, long revision, CancellationToken cancellationToken = default) =>
        Working().State!.WaitForChangeAsync(prefix, revision, cancellationToken);

    public override ValueTask DisposeAsync() => default;

    private Backend Working() => IsFailing ? throw new BackendUnavailableException("It is told to fail.") : inner;
}
