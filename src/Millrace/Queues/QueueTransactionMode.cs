namespace Millrace.Queues;

/// <summary>What <see cref="QueueDispatchers.CommitAsync"/> does where the store has no transactions.</summary>
public enum QueueTransactionMode
{
    /// <summary>All or nothing (T1, T2); refused where the store has no transactions.</summary>
    Atomic,

    /// <summary>
    /// Atomic where the store has transactions. Elsewhere enqueues and publishes first, in order, and settlements after: not atomic, but nothing is settled before what it
    /// led to is stored. A fault in the middle leaves what was done until then; messages without an id get one first, so a second commit of the same transaction stores
    /// none of them twice where the store finds duplicates (Q2). A lease that turns out to be lost only while settling is reported, and all the rest is done and gone.
    /// </summary>
    Ordered,
}
