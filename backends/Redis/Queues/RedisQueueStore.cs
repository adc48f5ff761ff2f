using System.Collections.Concurrent;
using Millrace.Redis.Client;
using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <summary>
/// Queues in Redis: the hot path. Administration and routing are in the other parts. This is the store on a Cluster, whose queues are on different servers; elsewhere it is a
/// <see cref="RedisTransactionalQueueStore"/>.
/// </summary>
internal partial class RedisQueueStore : IQueueStore, IQueueAdmin, IQueueRouting
{
    // How long a receiver counts as present, and how often that is put off: only a queue that is deleted when idle asks.
    private static readonly TimeSpan Presence = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan PresenceInterval = Presence / 3;

    private readonly ConcurrentDictionary<QueuePlace, QueueLanes> _lanes = new();
    private readonly ConcurrentDictionary<ulong, OpenLease> _leases = new();
    private readonly ConcurrentDictionary<RedisReceiver, bool> _receivers = new();
    private readonly Dictionary<string, QueueSignal> _signals = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _gate = new();
    private Task? _attendance;
    private volatile bool _isDisposed;

    protected RedisQueueStore(IRedisExecutor executor, ReplicatedWrites writes, RedisKeys keys, bool createsQueues, StoreDurability durability, TimeProvider time)
    {
        Time = time;
        Calls = new QueueCalls(executor, writes, keys, createsQueues);
        Capabilities = new QueueCapabilities { Backend = "redis", Durability = durability, SharedAcrossProcesses = true, MaxDelay = MaxDelay };
        Bindings = new BindingCache(Calls);
    }

    /// <summary>The store for servers of this kind.</summary>
    public static RedisQueueStore Create(
        IRedisExecutor executor, ReplicatedWrites writes, RedisKeys keys, bool createsQueues, StoreDurability durability, TimeProvider time) =>
        executor.IsCluster
            ? new RedisQueueStore(executor, writes, keys, createsQueues, durability, time)
            : new RedisTransactionalQueueStore(executor, writes, keys, createsQueues, durability, time);

    /// <summary>The longest delay and time to live.</summary>
    public static TimeSpan MaxDelay { get; } = TimeSpan.FromDays(3650);

    public QueueCapabilities Capabilities { get; }

    public QueueCalls Calls { get; }

    protected BindingCache Bindings { get; }

    public TimeProvider Time { get; }

    public ValueTask EnqueueAsync(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(queue, "queue");
        RequireRoom(batch.Length, results.Length);
        EnvelopeRules.Require(batch.Span, Capabilities);
        RequireUsable();
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        return batch.IsEmpty ? default : LanesOf(Calls.PlaceOf(queue)).EnqueueAsync(batch, results);
    }

    public async ValueTask<IQueueReceiver> OpenReceiverAsync(string queue, ReceiverOptions options, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireQueue(queue);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        RequireUsable();
        var place = Calls.PlaceOf(queue);
        await Calls.OpenOnDemandAsync(place, cancellationToken).ConfigureAwait(false);
        var receiver = new RedisReceiver(this, place, options, OpenSignal(place));
        _receivers[receiver] = true;
        try
        {
            await Calls.OpenAsync(place, creates: false, QueueSettings.Default, receiver.Id, Presence, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await CloseAsync(receiver).ConfigureAwait(false);
            throw;
        }

        lock (_gate)
        {
            _attendance ??= AttendAsync();
        }

        return receiver;
    }

    public ValueTask SettleAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken = default)
    {
        ResourceName.RequireQueue(queue);
        RequireRoom(batch.Length, results.Length);
        RequireUsable();
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        return batch.IsEmpty ? default : SettleAcceptedAsync(Calls.PlaceOf(queue), batch, results);
    }

    /// <summary>Returns what its receivers hold. The connection belongs to the backend.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        await _stopping.CancelAsync().ConfigureAwait(false);
        foreach (var (receiver, _) in _receivers)
        {
            await receiver.DisposeAsync().ConfigureAwait(false);
        }

        if (_attendance is { } attendance)
        {
            await attendance.ConfigureAwait(false);
        }
    }

    public void RequireUsable() => ObjectDisposedException.ThrowIf(_isDisposed, this);

    /// <summary>Remembers who holds a lease, to tell its receiver when it is settled.</summary>
    public void AddLease(OpenLease lease) => _leases[lease.Key] = lease;

    public void RemoveLease(ulong key) => _leases.TryRemove(key, out _);

    /// <summary>Notes that a delivery has been settled, or found lost.</summary>
    /// <returns>Whether this process had it open, and nobody is settling it.</returns>
    public bool EndLease(QueuePlace place, LeaseToken token) => FindLease(place, token) is { } lease && lease.Receiver.End(lease, (long)token.Low);

    /// <summary>Forgets a receiver that has been disposed.</summary>
    public async ValueTask CloseAsync(RedisReceiver receiver)
    {
        QueueSignal? unused = null;
        lock (_gate)
        {
            if (_receivers.TryRemove(receiver, out _) && _signals.TryGetValue(receiver.Place.Source, out var signal) && --signal.Users == 0)
            {
                _signals.Remove(receiver.Place.Source);
                unused = signal;
            }
        }

        if (unused is not null)
        {
            try
            {
                await unused.DisposeAsync().ConfigureAwait(false);
            }
            catch (Exception fault) when (fault is MillraceException or ObjectDisposedException)
            {
                // Without a connection there is no subscription to end.
            }
        }
    }

    public QueueLanes LanesOf(QueuePlace place) =>
        _lanes.TryGetValue(place, out var lanes) ? lanes : _lanes.GetOrAdd(place, new QueueLanes(Calls, place));

    // One of another queue is refused there and stays open here.
    private OpenLease? FindLease(QueuePlace place, LeaseToken token) =>
        _leases.TryGetValue(token.High, out var lease) && ReferenceEquals(lease.Receiver.Place, place) ? lease : null;

    [System.Runtime.CompilerServices.AsyncMethodBuilder(typeof(System.Runtime.CompilerServices.PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask SettleAcceptedAsync(QueuePlace place, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results)
    {
        var areDistinct = BeginSettling(place, batch.Span);
        try
        {
            await LanesOf(place).SettleAsync(batch, results, areDistinct).ConfigureAwait(false);
        }
        catch
        {
            UndoSettling(place, batch.Span);
            throw;
        }

        EndSettling(place, batch.Span);
    }

    /// <summary>Notes that deliveries are being settled.</summary>
    /// <returns>Whether this process had all of them open, and nobody is settling one: so none stands twice.</returns>
    protected bool BeginSettling(QueuePlace place, ReadOnlySpan<Settlement> batch)
    {
        var areOpen = true;
        foreach (ref readonly var settlement in batch)
        {
            areOpen &= FindLease(place, settlement.Token) is { } lease && lease.Receiver.Begin(lease, (long)settlement.Token.Low);
        }

        return areOpen;
    }

    protected void UndoSettling(QueuePlace place, ReadOnlySpan<Settlement> batch)
    {
        foreach (ref readonly var settlement in batch)
        {
            if (FindLease(place, settlement.Token) is { } lease)
            {
                lease.Receiver.Undo(lease, (long)settlement.Token.Low);
            }
        }
    }

    protected void EndSettling(QueuePlace place, ReadOnlySpan<Settlement> batch)
    {
        foreach (ref readonly var settlement in batch)
        {
            EndLease(place, settlement.Token);
        }
    }

    private QueueSignal OpenSignal(QueuePlace place)
    {
        lock (_gate)
        {
            if (!_signals.TryGetValue(place.Source, out var signal))
            {
                signal = new QueueSignal(Calls.Executor, place.WakeChannel, Time);
                _signals.Add(place.Source, signal);
            }

            signal.Users++;
            return signal;
        }
    }

    private static void RequireRoom(int batch, int results)
    {
        if (results != 0 && results < batch)
        {
            throw new ArgumentException($"There is room for {results} results, and the batch has {batch}. Pass as many, or none.", nameof(results));
        }
    }

    /// <summary>Says from time to time that the receivers of this process are still there.</summary>
    private async Task AttendAsync()
    {
        using var timer = new PeriodicTimer(PresenceInterval, Time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token).ConfigureAwait(false))
            {
                foreach (var (receiver, _) in _receivers)
                {
                    await ShowPresenceAsync(receiver).ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The store is disposed.
        }
    }

    private async ValueTask ShowPresenceAsync(RedisReceiver receiver)
    {
        try
        {
            await Calls.OpenAsync(receiver.Place, creates: false, QueueSettings.Default, receiver.Id, Presence, _stopping.Token).ConfigureAwait(false);
            if (!_receivers.ContainsKey(receiver))
            {
                // It was disposed meanwhile, and may have said so before this.
                await Calls.OpenAsync(receiver.Place, creates: false, QueueSettings.Default, receiver.Id, TimeSpan.Zero, _stopping.Token).ConfigureAwait(false);
            }
        }
        catch (Exception fault) when (fault is MillraceException or ObjectDisposedException)
        {
            // The next time; a receiver counts as present for some times longer.
        }
    }
}
