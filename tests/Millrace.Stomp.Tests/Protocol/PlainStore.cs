using Millrace.Storage;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>A store that has queues, their administration and routing, and no transactions. What is enqueued passes a gate that a test can close.</summary>
internal sealed class PlainStore(Backend inner) : IQueueStore, IQueueAdmin, IQueueRouting
{
    private readonly IQueueStore _queues = inner.Require<IQueueStore>();
    private readonly IQueueAdmin _admin = inner.Require<IQueueAdmin>();
    private readonly IQueueRouting _routing = inner.Require<IQueueRouting>();
    private TaskCompletionSource _gate = Opened();
    private TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile MillraceException? _failure;
    private long _enqueued;

    public QueueCapabilities Capabilities => _queues.Capabilities;

    /// <summary>Messages that came as far as the gate.</summary>
    public long Enqueued => Interlocked.Read(ref _enqueued);

    /// <summary>The durability of the last message that came as far as the gate.</summary>
    public MessageDurability LastDurability { get; private set; }

    /// <summary>Ends when a message has come to a gate that is closed.</summary>
    public Task Reached => _reached.Task;

    /// <summary>One in memory.</summary>
    public static async ValueTask<PlainStore> CreateAsync(BackendContext context, CancellationToken cancellationToken) =>
        new(await BackendRegistry.CreateDefault().OpenAsync("memory:", context, cancellationToken));

    /// <summary>A backend with it, and the channels of the one in memory.</summary>
    public Backend ToBackend() => Backend.Of("plain", this, inner.Channels!);

    /// <summary>From now on what is enqueued waits.</summary>
    public void Close()
    {
        _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>What waits goes on.</summary>
    public void Open() => _gate.TrySetResult();

    /// <summary>From now on what is enqueued or settled fails; null: not any more.</summary>
    public void Fail(MillraceException? failure) => _failure = failure;

    public async ValueTask EnqueueAsync(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, CancellationToken cancellationToken = default)
    {
        Interlocked.Add(ref _enqueued, batch.Length);
        LastDurability = batch.Span[^1].Durability;
        if (!_gate.Task.IsCompleted)
        {
            _reached.TrySetResult();
            await _gate.Task;
        }

        ThrowIfFailing();
        await _queues.EnqueueAsync(queue, batch, results, cancellationToken);
    }

    public ValueTask<IQueueReceiver> OpenReceiverAsync(string queue, ReceiverOptions options, CancellationToken cancellationToken = default) =>
        _queues.OpenReceiverAsync(queue, options, cancellationToken);

    public ValueTask SettleAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken = default)
    {
        ThrowIfFailing();
        return _queues.SettleAsync(queue, batch, results, cancellationToken);
    }

    public ValueTask<bool> CreateQueueAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default) =>
        _admin.CreateQueueAsync(queue, settings, cancellationToken);

    public ValueTask<bool> DeleteQueueAsync(string queue, CancellationToken cancellationToken = default) => _admin.DeleteQueueAsync(queue, cancellationToken);

    public ValueTask<QueueSettings> GetSettingsAsync(string queue, CancellationToken cancellationToken = default) => _admin.GetSettingsAsync(queue, cancellationToken);

    public ValueTask UpdateSettingsAsync(string queue, QueueSettings settings, CancellationToken cancellationToken = default) =>
        _admin.UpdateSettingsAsync(queue, settings, cancellationToken);

    public ValueTask<IReadOnlyList<string>> ListQueuesAsync(string prefix = "", string? after = null, int limit = 100, CancellationToken cancellationToken = default) =>
        _admin.ListQueuesAsync(prefix, after, limit, cancellationToken);

    public ValueTask<QueueStats> GetStatsAsync(string queue, CancellationToken cancellationToken = default) => _admin.GetStatsAsync(queue, cancellationToken);

    public ValueTask<BrowsePage> BrowseAsync(string queue, BrowseQuery query, CancellationToken cancellationToken = default) =>
        _admin.BrowseAsync(queue, query, cancellationToken);

    public ValueTask<BrowsedMessage?> GetMessageAsync(string queue, MessageId id, CancellationToken cancellationToken = default) =>
        _admin.GetMessageAsync(queue, id, cancellationToken);

    public ValueTask<MessageChange> RemoveMessageAsync(string queue, MessageId id, CancellationToken cancellationToken = default) =>
        _admin.RemoveMessageAsync(queue, id, cancellationToken);

    public ValueTask<MessageChange> RescheduleMessageAsync(string queue, MessageId id, TimeSpan delay, CancellationToken cancellationToken = default) =>
        _admin.RescheduleMessageAsync(queue, id, delay, cancellationToken);

    public ValueTask<long> RedriveAsync(string queue, DeadLetterFilter filter, CancellationToken cancellationToken = default) =>
        _admin.RedriveAsync(queue, filter, cancellationToken);

    public ValueTask<long> PurgeAsync(string queue, CancellationToken cancellationToken = default) => _admin.PurgeAsync(queue, cancellationToken);

    public ValueTask BindAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken = default) => _routing.BindAsync(queue, pattern, cancellationToken);

    public ValueTask<bool> UnbindAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken = default) =>
        _routing.UnbindAsync(queue, pattern, cancellationToken);

    public ValueTask<IReadOnlyList<QueueBinding>> ListBindingsAsync(string? queue = null, CancellationToken cancellationToken = default) =>
        _routing.ListBindingsAsync(queue, cancellationToken);

    public ValueTask<int> PublishAsync(string topic, ReadOnlyMemory<Envelope> batch, CancellationToken cancellationToken = default) =>
        _routing.PublishAsync(topic, batch, cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private static TaskCompletionSource Opened()
    {
        var opened = new TaskCompletionSource();
        opened.SetResult();
        return opened;
    }

    private void ThrowIfFailing()
    {
        if (_failure is { } failure)
        {
            throw failure;
        }
    }
}
