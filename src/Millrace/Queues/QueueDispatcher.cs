using Millrace.Storage;

namespace Millrace.Queues;

/// <summary>
/// The dispatcher of one queue in this process: it owns the queue's receivers (at most one that leases and one that settles on lease), adds up the free credit of its consumers,
/// leases in batches and deals them round-robin. Got from <see cref="QueueDispatchers.Get"/>. Safe for concurrent use.
/// </summary>
public sealed class QueueDispatcher
{
    private readonly IQueueStore _store;
    private readonly DispatchEnvironment _environment;

    // Taken before the gates of lanes and ledgers.
    private readonly Lock _gate = new();
    private readonly HashSet<DispatchLane> _lanes = [];
    private DispatchLane? _leasing;
    private DispatchLane? _settling;
    private bool _closed;

    internal QueueDispatcher(IQueueStore store, string queue, DispatchEnvironment environment) => (_store, Queue, _environment) = (store, queue, environment);

    /// <summary>The queue.</summary>
    public string Queue { get; }

    /// <summary>How many deliveries are with consumers and not settled yet.</summary>
    public int OpenDeliveries
    {
        get
        {
            lock (_gate)
            {
                return _lanes.Sum(lane => lane.Ledger.OpenCount);
            }
        }
    }

    /// <summary>Whether it has a lane, open or on its way out.</summary>
    internal bool HasLane
    {
        get
        {
            lock (_gate)
            {
                return _lanes.Count > 0 || _leasing is not null || _settling is not null;
            }
        }
    }

    /// <summary>Adds a consumer; the first one opens a receiver in the background, the last one to leave closes it.</summary>
    /// <param name="sink">Where its deliveries go. Calls may come before this returns.</param>
    /// <param name="options">Its credit, and how it settles.</param>
    /// <exception cref="ObjectDisposedException">The dispatchers have been drained or disposed.</exception>
    public DispatchConsumer AddConsumer(IDeliverySink sink, DispatchConsumerOptions options)
    {
        ArgumentNullException.ThrowIfNull(sink);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Credit, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Credit, DispatchConsumer.MaxCredit, nameof(options));
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            ref var lane = ref options.SettleOnLease ? ref _settling : ref _leasing;
            if (lane is not null && TryJoin(lane, sink, options) is { } joined)
            {
                return joined;
            }

            // None yet, or the one that was is on its way out: it ends beside this one.
            lane = new DispatchLane(_store, Queue, options.SettleOnLease, _environment, Forget);
            _lanes.Add(lane);
            var consumer = TryJoin(lane, sink, options)!;
            lane.Start();
            return consumer;
        }
    }

    /// <summary>
    /// Stops leasing, waits until the consumers have settled what they hold, and after <paramref name="timeout"/> closes them, which hands the rest back without counting an
    /// attempt. No consumer can be added afterwards.
    /// </summary>
    /// <param name="timeout">How long to wait; zero for not at all.</param>
    /// <param name="cancellationToken">Ends the waiting early, as the deadline does.</param>
    public async Task DrainAsync(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        DispatchLane[] lanes;
        lock (_gate)
        {
            _closed = true;
            lanes = [.. _lanes];
        }

        var idle = Task.WhenAll(Array.ConvertAll(lanes, lane => lane.StopLeasing()));
        try
        {
            await idle.WaitAsync(timeout, _environment.TimeProvider, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            // The rest is handed back below.
        }

        foreach (var lane in lanes)
        {
            await Task.WhenAll(Array.ConvertAll(lane.Ledger.CloseToNewcomers(), consumer => consumer.DisposeAsync().AsTask())).ConfigureAwait(false);
            await lane.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static DispatchConsumer? TryJoin(DispatchLane lane, IDeliverySink sink, DispatchConsumerOptions options)
    {
        var consumer = new DispatchConsumer(lane, sink);
        if (!lane.Ledger.TryJoin(consumer, options.Credit))
        {
            return null;
        }

        lane.OnCreditChanged(options.Credit);
        return consumer;
    }

    private void Forget(DispatchLane lane)
    {
        lock (_gate)
        {
            _lanes.Remove(lane);

            // A dispatcher stays; what a lane has in buffers and receivers should not stay with it.
            _leasing = _leasing == lane ? null : _leasing;
            _settling = _settling == lane ? null : _settling;
        }
    }
}
