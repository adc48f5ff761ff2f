using Millrace.Storage;
using Millrace.Storage.InMemory;
using Millrace.Testing;

namespace Millrace.Tests.Testing;

/// <summary>A correct store with one law broken on purpose: what a suite must find.</summary>
internal abstract class BrokenFixture : BackendFixture
{
    public override IConformanceClock Clock { get; } = new ManualConformanceClock();

    public override async ValueTask<Backend> OpenAsync(CancellationToken cancellationToken)
    {
        var memory = await InMemoryBackend.OpenAsync(BackendUrl.Parse("memory:"), new BackendContext { TimeProvider = Clock.TimeProvider }, cancellationToken);
        return Backend.Of("broken", Break(memory));
    }

    protected abstract object Break(Backend memory);
}

/// <summary>A queue store that passes everything on; its heirs spoil one thing each.</summary>
internal class ForwardingQueueStore(Backend memory) : IQueueStore, IQueueAdmin
{
    protected IQueueStore Inner => memory.Queues!;

    protected IQueueAdmin InnerAdmin => memory.Require<IQueueAdmin>();

    public virtual QueueCapabilities Capabilities => Inner.Capabilities;

    public virtual ValueTask EnqueueAsync(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, CancellationToken cancellationToken = default) =>
        Inner.EnqueueAsync(queue, batch, results, cancellationToken);

    public virtual ValueTask<IQueueReceiver> OpenReceiverAsync(string queue, ReceiverOptions options, CancellationToken cancellationToken = default) =>
        Inner.OpenReceiverAsync(queue, options, cancellationToken);

    public virtual ValueTask SettleAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken = default) =>
        Inner.SettleAsync(queue, batch, results, cancellationToken);

    public ValueTask DisposeAsync() => memory.DisposeAsync();

    public virtual ValueTask<bool> CreateQueueAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default) =>
        InnerAdmin.CreateQueueAsync(queue, settings, cancellationToken);

    public ValueTask<bool> DeleteQueueAsync(string queue, CancellationToken cancellationToken = default) => InnerAdmin.DeleteQueueAsync(queue, cancellationToken);

    public ValueTask<QueueSettings> GetSettingsAsync(string queue, CancellationToken cancellationToken = default) => InnerAdmin.GetSettingsAsync(queue, cancellationToken);

    public ValueTask UpdateSettingsAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default) =>
        InnerAdmin.UpdateSettingsAsync(queue, settings, cancellationToken);

    public ValueTask<IReadOnlyList<string>> ListQueuesAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default) =>
        InnerAdmin.ListQueuesAsync(prefix, after, limit, cancellationToken);

    public ValueTask<QueueStats> GetStatsAsync(string queue, CancellationToken cancellationToken = default) => InnerAdmin.GetStatsAsync(queue, cancellationToken);

    public ValueTask<BrowsePage> BrowseAsync(string queue, BrowseQuery query, CancellationToken cancellationToken = default) =>
        InnerAdmin.BrowseAsync(queue, query, cancellationToken);

    public ValueTask<BrowsedMessage?> GetMessageAsync(string queue, MessageId id, CancellationToken cancellationToken = default) =>
        InnerAdmin.GetMessageAsync(queue, id, cancellationToken);

    public ValueTask<MessageChange> RemoveMessageAsync(string queue, MessageId id, CancellationToken cancellationToken = default) =>
        InnerAdmin.RemoveMessageAsync(queue, id, cancellationToken);

    public ValueTask<MessageChange> RescheduleMessageAsync(string queue, MessageId id, TimeSpan delay, CancellationToken cancellationToken = default) =>
        InnerAdmin.RescheduleMessageAsync(queue, id, delay, cancellationToken);

    public virtual ValueTask<long> RedriveAsync(string queue, DeadLetterFilter filter, CancellationToken cancellationToken = default) =>
        InnerAdmin.RedriveAsync(queue, filter, cancellationToken);

    public ValueTask<long> PurgeAsync(string queue, CancellationToken cancellationToken = default) => InnerAdmin.PurgeAsync(queue, cancellationToken);

    /// <summary>A batch with each of its envelopes changed.</summary>
    protected static Envelope[] Map(ReadOnlyMemory<Envelope> batch, Func<Envelope, Envelope> change) => Array.ConvertAll(batch.ToArray(), envelope => change(envelope));
}

/// <summary>A receiver that passes everything on.</summary>
internal class ForwardingReceiver(IQueueReceiver inner) : IQueueReceiver
{
    public virtual ValueTask<int> LeaseAsync(Memory<Delivery> into, TimeSpan maxWait, CancellationToken cancellationToken = default) =>
        inner.LeaseAsync(into, maxWait, cancellationToken);

    public virtual ValueTask<IReadOnlyList<LeaseToken>> RenewAsync(CancellationToken cancellationToken = default) => inner.RenewAsync(cancellationToken);

    public virtual ValueTask DisposeAsync() => inner.DisposeAsync();
}
