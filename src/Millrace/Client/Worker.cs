using Millrace.Queues;

namespace Millrace.Client;

/// <summary>
/// Handles the messages of one queue: each is unpacked, read, validated, passes the middleware and the handler, and is settled by how that ends.
/// Made by <see cref="MillraceClient"/>; start it once, stop it once. Safe for concurrent use. Disposing stops it without waiting for handlers.
/// </summary>
/// <typeparam name="T">The type of the messages.</typeparam>
public sealed class Worker<T> : IMessageWorker
{
    private readonly QueueWorker _worker;
    private readonly WorkerLifetime _lifetime;

    internal Worker(MillraceClient client, QueueWorker worker) => (_worker, _lifetime) = (worker, new WorkerLifetime(client, this, worker));

    /// <summary>The queue.</summary>
    public string Queue => _worker.Queue;

    /// <summary>Ends when the worker has stopped. Fails when it had to stop because of a fault that is not transient.</summary>
    public Task Completion => _worker.Completion;

    /// <summary>What the worker has done and holds; a moment's picture.</summary>
    public QueueWorkerStats Stats => _worker.Stats;

    /// <summary>Starts to work, and ends when the queue is open.</summary>
    /// <exception cref="MillraceConfigurationException">The retry policy asks for more attempts than the queue allows; names both numbers.</exception>
    /// <exception cref="QueueNotFoundException">The queue does not exist, and the store does not create queues on demand.</exception>
    public Task StartAsync(CancellationToken cancellationToken = default) => _lifetime.StartAsync(cancellationToken);

    /// <summary>
    /// Stops: takes nothing new, waits for the running handlers up to <see cref="QueueWorkerOptions.DrainTimeout"/>, then cancels them and hands back what is left.
    /// </summary>
    /// <param name="cancellationToken">Ends the waiting early, as the timeout does.</param>
    public Task StopAsync(CancellationToken cancellationToken = default) => _lifetime.StopAsync(cancellationToken);

    /// <summary>Works until the token is cancelled, then stops as <see cref="StopAsync"/> does and returns.</summary>
    /// <param name="cancellationToken">Says when to stop.</param>
    /// <exception cref="MillraceException">The worker could not start, or met a fault that is not transient.</exception>
    public Task RunAsync(CancellationToken cancellationToken = default) => _lifetime.RunAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _lifetime.CloseAsync();
}
