namespace Millrace.Storage;

/// <summary>Transactions over the queues of one store (laws T1, T2). Implemented by queue stores whose engine can. Safe for concurrent use.</summary>
public interface IQueueTransactions
{
    /// <summary>Applies every operation of <paramref name="transaction"/>, or none, also across a crash.</summary>
    /// <returns>Whether it was applied. It is not when a lease had been lost; nothing is changed then.</returns>
    /// <exception cref="QueueFullException">A queue is full; nothing was changed.</exception>
    /// <exception cref="InvalidMessageException">A message breaks a limit; nothing was changed.</exception>
    ValueTask<TransactionResult> CommitAsync(QueueTransaction transaction, CancellationToken cancellationToken = default);
}

/// <summary>The outcome of a transaction.</summary>
/// <param name="Committed">Whether everything was applied.</param>
/// <param name="LostLeases">The tokens whose lease had ended, when it was not.</param>
public sealed record TransactionResult(bool Committed, IReadOnlyList<LeaseToken> LostLeases);

/// <summary>
/// The operations of a transaction, applied in the order in which they were added. Not safe for concurrent use. May be committed once; again only when that has failed.
/// </summary>
public sealed class QueueTransaction
{
    private readonly List<QueueOperation> _operations = [];

    /// <summary>What was added, in order.</summary>
    public IReadOnlyList<QueueOperation> Operations => _operations;

    /// <summary>Adds an enqueue. The envelope's body must stay unchanged until the commit has returned.</summary>
    public QueueTransaction Enqueue(string queue, Envelope envelope)
    {
        _operations.Add(new QueueOperation.Enqueue(queue, envelope));
        return this;
    }

    /// <summary>Adds a publish into every queue that is bound to the topic at the time of the commit. The store must implement <see cref="IQueueRouting"/>.</summary>
    public QueueTransaction Publish(string topic, Envelope envelope)
    {
        _operations.Add(new QueueOperation.Publish(topic, envelope));
        return this;
    }

    /// <summary>Adds a settlement.</summary>
    public QueueTransaction Settle(string queue, Settlement settlement)
    {
        _operations.Add(new QueueOperation.Settle(queue, settlement));
        return this;
    }

    /// <summary>Gives every message without an id a version 7 UUID, and keeps it: a repeat of the transaction sends the same ids.</summary>
    internal void AssignIds(TimeProvider timeProvider)
    {
        var now = timeProvider.GetUtcNow();
        for (var i = 0; i < _operations.Count; i++)
        {
            _operations[i] = _operations[i] switch
            {
                QueueOperation.Enqueue { Envelope.Id.IsEmpty: true } enqueue => enqueue with { Envelope = WithId(enqueue.Envelope) },
                QueueOperation.Publish { Envelope.Id.IsEmpty: true } publish => publish with { Envelope = WithId(publish.Envelope) },
                var other => other,
            };
        }

        Envelope WithId(Envelope envelope) => envelope with { Id = new MessageId(Guid.CreateVersion7(now)) };
    }
}

/// <summary>One operation of a <see cref="QueueTransaction"/>.</summary>
public abstract record QueueOperation
{
    private QueueOperation()
    {
    }

    /// <summary>A message for a queue.</summary>
    public sealed record Enqueue(string Queue, Envelope Envelope) : QueueOperation;

    /// <summary>A message for every queue bound to a topic.</summary>
    public sealed record Publish(string Topic, Envelope Envelope) : QueueOperation;

    /// <summary>A settlement of a delivery.</summary>
    public sealed record Settle(string Queue, Settlement Settlement) : QueueOperation;
}
