using Millrace.Storage;

namespace Millrace.Scheduling.Tests.Schedules;

/// <summary>Queues that can be away. Safe for concurrent use.</summary>
internal sealed class FailingQueues(IQueueStore inner) : IQueueStore
{
    public bool IsAway { get; set; }

    public QueueCapabilities Capabilities => inner.Capabilities;

    public ValueTask EnqueueAsync(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, CancellationToken cancellationToken = default) =>
        IsAway ? ValueTask.FromException(new BackendUnavailableException("The queues are away.")) : inner.EnqueueAsync(queue, batch, results, cancellationToken);

    public ValueTask<IQueueReceiver> OpenReceiverAsync(string queue, ReceiverOptions options, CancellationToken cancellationToken = default) =>
        inner.OpenReceiverAsync(queue, options, cancellationToken);

    public ValueTask SettleAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken = default) =>
        inner.SettleAsync(queue, batch, results, cancellationToken);

    public ValueTask DisposeAsync() => default;
}
