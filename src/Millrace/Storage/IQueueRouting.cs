namespace Millrace.Storage;

/// <summary>
/// Bindings of queues to topic patterns, and publishing into every bound queue (laws R1, R2). Implemented by queue stores beside <see cref="IQueueStore"/>.
/// Safe for concurrent use.
/// </summary>
public interface IQueueRouting
{
    /// <summary>Binds <paramref name="queue"/> to a pattern. Idempotent; a publish that starts after this has returned is seen (R2). Creates the queue if needed.</summary>
    ValueTask BindAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken = default);

    /// <summary>Removes a binding.</summary>
    /// <returns>False when there was none.</returns>
    ValueTask<bool> UnbindAsync(string queue, TopicPattern pattern, CancellationToken cancellationToken = default);

    /// <summary>All bindings, or those of one queue; ordered by queue, then pattern.</summary>
    ValueTask<IReadOnlyList<QueueBinding>> ListBindingsAsync(string? queue = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Adds a batch to every queue that is bound to a pattern matching <paramref name="topic"/>, once each even if several of its bindings match.
    /// With ids, a repeat after a failure stores each message once a queue (R1).
    /// </summary>
    /// <returns>How many queues were reached; 0 when none is bound, which is no error.</returns>
    /// <exception cref="QueueFullException">One of the queues is full. Stores with transactions have then stored nothing.</exception>
    ValueTask<int> PublishAsync(string topic, ReadOnlyMemory<Envelope> batch, CancellationToken cancellationToken = default);
}

/// <summary>A queue bound to a pattern.</summary>
/// <param name="Queue">The queue.</param>
/// <param name="Pattern">The pattern.</param>
public sealed record QueueBinding(string Queue, TopicPattern Pattern);
