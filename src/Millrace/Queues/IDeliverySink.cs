using Millrace.Storage;

namespace Millrace.Queues;

/// <summary>
/// Where a dispatcher pushes the deliveries of one consumer. Calls are made one at a time and hold up the other consumers of the queue, so they only take over what
/// they are given: they do not block, wait or handle. They may call the members of their <see cref="DispatchConsumer"/>. An exception from either is a
/// fault of this consumer: it is closed, its share handed back, and its <see cref="DispatchConsumer.Completion"/> fails.
/// </summary>
public interface IDeliverySink
{
    /// <summary>Takes over deliveries, in order; never more than there was free credit. The span is only valid during the call, the deliveries until they are settled.</summary>
    void OnDeliveries(ReadOnlySpan<Delivery> deliveries);

    /// <summary>
    /// The lease of a delivery was lost: the message may be with somebody else. Handling it should stop. The delivery keeps its credit until it is settled like any other,
    /// which reports <see cref="SettleResult.LeaseLost"/>.
    /// </summary>
    void OnLeaseLost(LeaseToken token);
}
