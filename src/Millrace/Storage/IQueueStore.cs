namespace Millrace.Storage;

/// <summary>
/// A store of queues: competing consumers, leases, priorities, due times, dead letters. The laws Q1–Q12 in the design page are its contract;
/// <c>Millrace.Testing</c> has them as a suite. A store may also implement <see cref="IQueueAdmin"/>, <see cref="IQueueRouting"/> and
/// <see cref="IQueueTransactions"/>; an interface that is missing is a capability that it does not have.
/// </summary>
/// <remarks>
/// <para>All members are safe for concurrent use. A store copies what it keeps, and never reads a caller's buffer after its call has returned.</para>
/// <para>Cancellation is honoured only until the store has accepted an operation; after that the true result is returned.</para>
/// <para>One operation's failure fails that operation only, also where it shared a commit with others.</para>
/// <para>Members throw <see cref="MillraceException"/> for faults, <see cref="ObjectDisposedException"/> after disposal.</para>
/// </remarks>
public interface IQueueStore : IAsyncDisposable
{
    /// <summary>What this store can do.</summary>
    QueueCapabilities Capabilities { get; }

    /// <summary>Adds a batch to a queue, all or nothing, and returns when it is as durable as the store promises (Q1).</summary>
    /// <param name="queue">The queue; created with default settings if it does not exist, unless the store was opened with <c>autocreate=false</c>.</param>
    /// <param name="batch">The messages. An empty batch does nothing.</param>
    /// <param name="results">One result a message, in order; at least as long as the batch, or empty when the caller does not want them.</param>
    /// <param name="cancellationToken">Honoured until the store has accepted the batch.</param>
    /// <exception cref="QueueFullException">The batch does not fit (Q9).</exception>
    /// <exception cref="InvalidMessageException">A message breaks a limit; nothing was stored.</exception>
    /// <exception cref="InvalidNameException">The queue's name is not valid, or names a dead-letter queue: those are filled by dead-lettering only.</exception>
    ValueTask EnqueueAsync(string queue, ReadOnlyMemory<Envelope> batch, Memory<EnqueueResult> results, CancellationToken cancellationToken = default);

    /// <summary>Opens a receiver: the owner of the leases that it takes.</summary>
    /// <param name="queue">A queue, or the dead-letter queue of one. Created if it does not exist, as by <see cref="EnqueueAsync"/>.</param>
    /// <param name="options">How to lease.</param>
    /// <param name="cancellationToken">Honoured until the receiver is open.</param>
    ValueTask<IQueueReceiver> OpenReceiverAsync(string queue, ReceiverOptions options, CancellationToken cancellationToken = default);

    /// <summary>Settles deliveries of one queue by their lease tokens, in order (Q5, Q6). Any holder of a token may settle, from any process that shares the store.</summary>
    /// <param name="queue">The queue that the deliveries came from.</param>
    /// <param name="batch">What to do with each.</param>
    /// <param name="results">One result a settlement, in order; at least as long as the batch, or empty when the caller does not want them.</param>
    /// <param name="cancellationToken">Honoured until the store has accepted the batch.</param>
    ValueTask SettleAsync(string queue, ReadOnlyMemory<Settlement> batch, Memory<SettleResult> results, CancellationToken cancellationToken = default);
}

/// <summary>
/// The owner of a set of leases. Calls to <see cref="LeaseAsync"/> are made one at a time; <see cref="RenewAsync"/> may run beside one.
/// Disposing returns its open deliveries at once, in order and without counting an attempt, and ends a waiting lease call.
/// </summary>
public interface IQueueReceiver : IAsyncDisposable
{
    /// <summary>Leases up to <c>into.Length</c> messages in the order of law Q3, waiting for at least one.</summary>
    /// <param name="into">Where the deliveries go; not empty.</param>
    /// <param name="maxWait">How long to wait for a first message, by the store's clock: zero polls, <see cref="Timeout.InfiniteTimeSpan"/> waits until cancelled.</param>
    /// <param name="cancellationToken">Ends the wait with <see cref="OperationCanceledException"/>. A call that has leased returns its deliveries instead.</param>
    /// <returns>How many were leased; 0 only when <paramref name="maxWait"/> has passed.</returns>
    ValueTask<int> LeaseAsync(Memory<Delivery> into, TimeSpan maxWait, CancellationToken cancellationToken = default);

    /// <summary>Prolongs the lease of every open delivery of this receiver to the full lease length from now, in one operation.</summary>
    /// <returns>The tokens of open deliveries whose lease was lost before it could be renewed; empty as a rule. Each is reported once.</returns>
    ValueTask<IReadOnlyList<LeaseToken>> RenewAsync(CancellationToken cancellationToken = default);
}

/// <summary>How a receiver leases. Immutable.</summary>
public sealed record ReceiverOptions
{
    /// <summary>How long a delivery belongs to its receiver without renewal; 30 s unless set. At least 1 ms.</summary>
    public TimeSpan LeaseDuration { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// At most once: leasing completes the message in the same operation, and the delivery needs no settlement; settling it reports <see cref="SettleResult.LeaseLost"/>.
    /// False unless set.
    /// </summary>
    public bool SettleOnLease { get; init; }

    /// <summary>Throws if a value is out of range.</summary>
    public void Validate()
    {
        if (LeaseDuration < TimeSpan.FromMilliseconds(1))
        {
            throw new MillraceConfigurationException($"The lease duration must be at least 1 ms, not {LeaseDuration}.");
        }
    }
}

/// <summary>What became of one message of a batch.</summary>
public enum EnqueueOutcome
{
    /// <summary>Stored.</summary>
    Stored,

    /// <summary>The queue has had a message with this id within its window; that one stands, this one was not stored (Q2).</summary>
    Duplicate,
}

/// <summary>The answer to one message of an enqueue.</summary>
/// <param name="Id">The message's id: the sender's, or the one that the store assigned.</param>
/// <param name="Outcome">Whether it was stored.</param>
public readonly record struct EnqueueResult(MessageId Id, EnqueueOutcome Outcome);
