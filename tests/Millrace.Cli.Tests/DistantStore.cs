using Millrace.Storage;

namespace Millrace.Cli.Tests;

/// <summary>
/// The store of a backend as if it were far away: calls take a turn of the thread pool, are counted, and can be held up, cut off or spoilt on purpose.
/// </summary>
internal sealed class DistantStore(Backend near) : IQueueStore, IQueueAdmin
{
    private readonly IQueueStore _queues = near.Require<IQueueStore>();
    private readonly IQueueAdmin _admin = near.Require<IQueueAdmin>();
    private readonly Lock _gate = new();
    private int _statsRunning;
    private int _statsCalls;
    private int _enqueues;

    /// <summary>The most calls for counts that ran at the same time.</summary>
    public int MostStatsAtOnce { get; private set; }

    public int StatsCalls => Volatile.Read(ref _statsCalls);

    /// <summary>The sizes of the pages that were asked for in browsing.</summary>
    public List<int> BrowseLimits { get; } = [];

    /// <summary>Called before each call for counts, with its number from 1.</summary>
    public Func<int, ValueTask> OnStats { get; set; } = static _ => default;

    /// <summary>Called with the number, from 1, of each enqueue; it may store by the function it is given, or not, or more than once, and throw.</summary>
    public Func<int, Func<ValueTask>, ValueTask> OnEnqueue { get; set; } = static (_, store) => store();

    /// <summary>Called before each settlement.</summary>
    public Action OnSettle { get; set; } = static () => { };

    public QueueCapabilities Capabilities => _queues.Capabilities;

    public async ValueTask EnqueueAsync(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, CancellationToken cancellationToken = default)
    {
        await Task.Yield();
        await OnEnqueue(Interlocked.Increment(ref _enqueues), () => _queues.EnqueueAsync(queue, batch, results, cancellationToken));
    }

    public ValueTask<IQueueReceiver> OpenReceiverAsync(string queue, ReceiverOptions options, CancellationToken cancellationToken = default) =>
        _queues.OpenReceiverAsync(queue, options, cancellationToken);

    public ValueTask SettleAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken = default)
    {
        OnSettle();
        return _queues.SettleAsync(queue, batch, results, cancellationToken);
    }

    public async ValueTask<QueueStats> GetStatsAsync(string queue, CancellationToken cancellationToken = default)
    {
        var running = Interlocked.Increment(ref _statsRunning);
        lock (_gate)
        {
            MostStatsAtOnce = Math.Max(MostStatsAtOnce, running);
        }

        try
        {
            await OnStats(Interlocked.Increment(ref _statsCalls));
            return await _admin.GetStatsAsync(queue, cancellationToken);
        }
        finally
        {
            Interlocked.Decrement(ref _statsRunning);
        }
    }

    public ValueTask<BrowsePage> BrowseAsync(string queue, BrowseQuery query, CancellationToken cancellationToken = default)
    {
        BrowseLimits.Add(query.Limit);
        return _admin.BrowseAsync(queue, query, cancellationToken);
    }

    public ValueTask<bool> CreateQueueAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default) =>
        _admin.CreateQueueAsync(queue, settings, cancellationToken);

    public ValueTask<bool> DeleteQueueAsync(string queue, CancellationToken cancellationToken = default) => _admin.DeleteQueueAsync(queue, cancellationToken);

    public ValueTask<QueueSettings> GetSettingsAsync(string queue, CancellationToken cancellationToken = default) => _admin.GetSettingsAsync(queue, cancellationToken);

    public ValueTask UpdateSettingsAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default) =>
        _admin.UpdateSettingsAsync(queue, settings, cancellationToken);

    public ValueTask<IReadOnlyList<string>> ListQueuesAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default) =>
        _admin.ListQueuesAsync(prefix, after, limit, cancellationToken);

    public ValueTask<BrowsedMessage?> GetMessageAsync(string queue, MessageId id, CancellationToken cancellationToken = default) =>
        _admin.GetMessageAsync(queue, id, cancellationToken);

    public ValueTask<MessageChange> RemoveMessageAsync(string queue, MessageId id, CancellationToken cancellationToken = default) =>
        _admin.RemoveMessageAsync(queue, id, cancellationToken);

    public ValueTask<MessageChange> RescheduleMessageAsync(string queue, MessageId id, TimeSpan delay, CancellationToken cancellationToken = default) =>
        _admin.RescheduleMessageAsync(queue, id, delay, cancellationToken);

    public ValueTask<long> RedriveAsync(string queue, DeadLetterFilter filter, CancellationToken cancellationToken = default) =>
        _admin.RedriveAsync(queue, filter, cancellationToken);

    public ValueTask<long> PurgeAsync(string queue, CancellationToken cancellationToken = default) => _admin.PurgeAsync(queue, cancellationToken);

    public ValueTask DisposeAsync() => near.DisposeAsync();
}
