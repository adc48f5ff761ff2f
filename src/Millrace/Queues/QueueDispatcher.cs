namespace Millrace.Queues;

/// <summary>
/// The dispatcher of one queue in this process: it owns the queue's receivers (at most one that leases and one that settles on lease), adds up the free credit of its consumers,
/// leases in batches and deals them round-robin. Got from <see cref="QueueDispatchers.Get"/>, and usable as long as those are. Safe for concurrent use.
/// </summary>
public sealed class QueueDispatcher
{
    // Only names the queue: what a queue has in lanes stands in the dispatchers, and only while it has consumers.
    private readonly QueueDispatchers _dispatchers;

    internal QueueDispatcher(QueueDispatchers dispatchers, string queue) => (_dispatchers, Queue) = (dispatchers, queue);

    /// <summary>The queue.</summary>
    public string Queue { get; }

    /// <summary>How many deliveries are with consumers and not settled yet.</summary>
    public int OpenDeliveries => _dispatchers.FindLanes(Queue)?.OpenDeliveries ?? 0;

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
        while (true)
        {
            if (_dispatchers.OpenLanes(Queue).TryAdd(sink, options) is { } consumer)
            {
                return consumer;
            }
        }
    }

    /// <summary>
    /// Stops leasing, waits until the consumers have settled what they hold, and after <paramref name="timeout"/> closes them, which hands the rest back without counting an
    /// attempt. No consumer can be added to the queue afterwards.
    /// </summary>
    /// <param name="timeout">How long to wait; zero for not at all.</param>
    /// <param name="cancellationToken">Ends the waiting early, as the deadline does.</param>
    public Task DrainAsync(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        QueueLanes lanes;
        do
        {
            lanes = _dispatchers.FindOrAddLanes(Queue);
        }
        while (!lanes.TryClose());

        return lanes.DrainAsync(timeout, cancellationToken);
    }
}
