using Millrace.Storage;

namespace Millrace.Queues;

/// <summary>
/// The lanes of one queue, from its first consumer to the end of its last lane: then it is forgotten, and takes nobody any more, so that whoever found it just before
/// looks again. One that was drained is kept, because nobody may be added any more. Safe for concurrent use.
/// </summary>
internal sealed class QueueLanes(IQueueStore store, string queue, DispatchEnvironment environment, Action<QueueLanes> onEmpty)
{
    // Taken before the gates of lanes and ledgers.
    private readonly Lock _gate = new();
    private readonly HashSet<DispatchLane> _lanes = [];
    private DispatchLane? _leasing;
    private DispatchLane? _settling;
    private bool _closed;
    private bool _forgotten;

    public string Queue { get; } = queue;

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

    /// <summary>Adds a consumer. Null when these lanes have been forgotten.</summary>
    /// <exception cref="ObjectDisposedException">The queue has been drained.</exception>
    public DispatchConsumer? TryAdd(IDeliverySink sink, DispatchConsumerOptions options)
    {
        lock (_gate)
        {
            if (_forgotten)
            {
                return null;
            }

            ObjectDisposedException.ThrowIf(_closed, typeof(QueueDispatcher));
            ref var lane = ref options.SettleOnLease ? ref _settling : ref _leasing;
            if (lane is not null && TryJoin(lane, sink, options) is { } joined)
            {
                return joined;
            }

            // None yet, or the one that was is on its way out: it ends beside this one.
            lane = new DispatchLane(store, Queue, options.SettleOnLease, environment, Forget);
            _lanes.Add(lane);
            var consumer = TryJoin(lane, sink, options)!;
            lane.Start();
            return consumer;
        }
    }

    /// <summary>Takes from the consumers of the queue what a transaction settles; see <see cref="DispatchLane.TryClaim"/>.</summary>
    public void Claim(List<Settlement> settlements, List<LaneClaim> claims, List<LeaseToken> lost)
    {
        DispatchLane[] lanes;
        lock (_gate)
        {
            lanes = [.. _lanes];
        }

        foreach (var lane in lanes)
        {
            if (!lane.SettleOnLease && lane.TryClaim(settlements, lost) is { } claim)
            {
                claims.Add(claim);
            }
        }
    }

    /// <summary>Takes no consumer any more, for good. False when these lanes have been forgotten.</summary>
    public bool TryClose()
    {
        lock (_gate)
        {
            _closed |= !_forgotten;
            return _closed;
        }
    }

    /// <summary>Drains the lanes; <see cref="TryClose"/> first.</summary>
    public async Task DrainAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        DispatchLane[] lanes;
        lock (_gate)
        {
            lanes = [.. _lanes];
        }

        var idle = Task.WhenAll(Array.ConvertAll(lanes, lane => lane.StopLeasing()));
        try
        {
            await idle.WaitAsync(timeout, environment.TimeProvider, cancellationToken).ConfigureAwait(false);
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
            _leasing = _leasing == lane ? null : _leasing;
            _settling = _settling == lane ? null : _settling;
            if (_lanes.Count > 0 || _closed)
            {
                return;
            }

            // Under the gate: whoever sees the mark and looks again must not find these lanes again.
            _forgotten = true;
            onEmpty(this);
        }
    }
}
