using Millrace.Storage;

namespace Millrace.Scheduling.Tests.Simulation;

/// <summary>The queues as one node sees them; the ledger sees what is sent and settled.</summary>
internal sealed class SimulatedQueues(IQueueStore inner, SimulatedMachine machine, OccurrenceLedger ledger, QueueCapabilities capabilities) : IQueueStore, IQueueAdmin
{
    private readonly IQueueAdmin _admin = (IQueueAdmin)inner;

    public QueueCapabilities Capabilities => capabilities;

    public async ValueTask EnqueueAsync(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, CancellationToken cancellationToken = default)
    {
        await machine.PassAsync(isDone: false);
        await inner.EnqueueAsync(queue, batch, results, cancellationToken);
        ledger.Sent(batch.Span);
        await machine.PassAsync(isDone: true);
    }

    public ValueTask<IQueueReceiver> OpenReceiverAsync(string queue, ReceiverOptions options, CancellationToken cancellationToken = default) =>
        inner.OpenReceiverAsync(queue, options, cancellationToken);

    public async ValueTask SettleAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken = default)
    {
        await machine.PassAsync(isDone: false);
        await inner.SettleAsync(queue, batch, results, cancellationToken);
        for (var i = 0; i < batch.Length; i++)
        {
            ledger.Settled(batch.Span[i].Token, results.Span[i]);
        }

        await machine.PassAsync(isDone: true);
    }

    public async ValueTask<bool> CreateQueueAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default)
    {
        await machine.PassAsync(isDone: false);
        return await _admin.CreateQueueAsync(queue, settings, cancellationToken);
    }

    public async ValueTask<BrowsedMessage?> GetMessageAsync(string queue, MessageId id, CancellationToken cancellationToken = default)
    {
        await machine.PassAsync(isDone: false);
        var found = await _admin.GetMessageAsync(queue, id, cancellationToken);
        await machine.PassAsync(isDone: true);
        return found;
    }

    public ValueTask<bool> DeleteQueueAsync(string queue, CancellationToken cancellationToken = default) => _admin.DeleteQueueAsync(queue, cancellationToken);

    public ValueTask<QueueSettings> GetSettingsAsync(string queue, CancellationToken cancellationToken = default) => _admin.GetSettingsAsync(queue, cancellationToken);

    public ValueTask UpdateSettingsAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default) =>
        _admin.UpdateSettingsAsync(queue, settings, cancellationToken);

    public ValueTask<IReadOnlyList<string>> ListQueuesAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default) =>
        _admin.ListQueuesAsync(prefix, after, limit, cancellationToken);

    public ValueTask<QueueStats> GetStatsAsync(string queue, CancellationToken cancellationToken = default) => _admin.GetStatsAsync(queue, cancellationToken);

    public ValueTask<BrowsePage> BrowseAsync(string queue, BrowseQuery query, CancellationToken cancellationToken = default) => _admin.BrowseAsync(queue, query, cancellationToken);

    public ValueTask<MessageChange> RemoveMessageAsync(string queue, MessageId id, CancellationToken cancellationToken = default) =>
        _admin.RemoveMessageAsync(queue, id, cancellationToken);

    public ValueTask<MessageChange> RescheduleMessageAsync(string queue, MessageId id, TimeSpan delay, CancellationToken cancellationToken = default) =>
        _admin.RescheduleMessageAsync(queue, id, delay, cancellationToken);

    public ValueTask<long> RedriveAsync(string queue, DeadLetterFilter filter, CancellationToken cancellationToken = default) => _admin.RedriveAsync(queue, filter, cancellationToken);

    public ValueTask<long> PurgeAsync(string queue, CancellationToken cancellationToken = default) => _admin.PurgeAsync(queue, cancellationToken);

    public ValueTask DisposeAsync() => default;
}
