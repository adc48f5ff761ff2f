using System.Collections.Concurrent;
using Millrace.Storage;

namespace Millrace.Redis.Queues;

/// <summary>The lanes of one queue or dead-letter queue.</summary>
internal sealed class QueueLanes
{
    private readonly QueueCalls _calls;
    private readonly QueuePlace _place;
    private readonly SettleLane _settles;
    private readonly PlainLane? _plain;
    private readonly ConcurrentDictionary<ReceiverOptions, LeaseLane> _leases = new();

    public QueueLanes(QueueCalls calls, QueuePlace place)
    {
        (_calls, _place) = (calls, place);
        Enqueues = new EnqueueLane(calls, place);
        _settles = new SettleLane(calls, place);

        // Dead letters are never plain. With WAIT, only what is written waits for replicas, so it does not share a script with leases.
        _plain = place.IsDead || calls.WaitsForReplicas ? null : new PlainLane(calls, place, Enqueues, _settles);
    }

    public EnqueueLane Enqueues { get; }

    public ValueTask EnqueueAsync(ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results)
    {
        var call = Enqueues.CallOf(batch, results);
        return _plain is null ? Enqueues.EnqueueAsync(call) : _plain.EnqueueAsync(call);
    }

    /// <summary>Settles.</summary>
    /// <param name="batch">The settlements.</param>
    /// <param name="results">What becomes of each, or empty.</param>
    /// <param name="areDistinct">Whether no other call has one of these tokens, and none stands twice here.</param>
    public ValueTask SettleAsync(ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, bool areDistinct)
    {
        var call = _settles.CallOf(batch, results);
        return _plain is null ? _settles.SettleAsync(call) : _plain.SettleAsync(call, areDistinct);
    }

    public ValueTask LeaseAsync(LeaseCall call) => _plain is null ? call.Lane.LeaseAsync(call) : _plain.LeaseAsync(call);

    /// <summary>Where receivers lease that lease alike.</summary>
    public LeaseLane LeasesOf(ReceiverOptions options) => _leases.GetOrAdd(options, static (key, lanes) => new LeaseLane(lanes._calls, lanes._place, key), this);
}
