using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Millrace.Storage;

namespace Millrace.Queues;

/// <summary>
/// The dispatchers of one store in this process, one a queue. Make one object of this per store: no other code leases, so ten thousand consumers of a queue cost one receiver.
/// Safe for concurrent use. Disposing hands everything back that is not settled; it leaves the store open.
/// </summary>
public sealed class QueueDispatchers : IAsyncDisposable
{
    // Only of queues that have consumers, or had some until just now: names come and go.
    private readonly ConcurrentDictionary<string, QueueLanes> _lanes = new(StringComparer.Ordinal);
    private readonly DispatchEnvironment _environment;
    private volatile bool _closed;

    /// <summary>Dispatchers for a store.</summary>
    /// <param name="store">The store; stays its owner's, and must outlive this object.</param>
    /// <param name="options">Defaults unless given.</param>
    /// <param name="timeProvider">The clock of deadlines and pauses; the system's unless given.</param>
    /// <param name="loggerFactory">Where to log; nowhere unless given.</param>
    /// <exception cref="MillraceConfigurationException">An option is out of range.</exception>
    public QueueDispatchers(IQueueStore store, QueueDispatcherOptions? options = null, TimeProvider? timeProvider = null, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        options ??= new QueueDispatcherOptions();
        options.Validate();
        Store = store;
        Transactions = store as IQueueTransactions;
        Routing = store as IQueueRouting;
        LoggerFactory = loggerFactory ?? NullLoggerFactory.Instance;
        _environment = new DispatchEnvironment(options, timeProvider ?? TimeProvider.System, LoggerFactory.CreateLogger("Millrace.Queues.Dispatch"));
    }

    /// <summary>The store.</summary>
    public IQueueStore Store { get; }

    /// <summary>
    /// The transactions of the store, or null where it has none. The store itself where it implements them, unless set: to what <see cref="Backend.Find"/> or
    /// <see cref="Client.MillraceClient.Find"/> gives, because the store of a client of a server implements contracts that the server may lack.
    /// </summary>
    public IQueueTransactions? Transactions { get; init; }

    /// <summary>The routing of the store, or null; as <see cref="Transactions"/>. Only asked by <see cref="QueueTransactionMode.Ordered"/>.</summary>
    public IQueueRouting? Routing { get; init; }

    /// <summary>How the dispatchers lease.</summary>
    public QueueDispatcherOptions Options => _environment.Options;

    internal DispatchEnvironment Environment => _environment;

    internal TimeProvider TimeProvider => _environment.TimeProvider;

    internal ILoggerFactory LoggerFactory { get; }

    /// <summary>How many queues are remembered.</summary>
    internal int RememberedQueues => _lanes.Count;

    /// <summary>The dispatcher of a queue, or of the dead-letter queue of one. Nothing is kept for it but while it has consumers, so queues may come and go.</summary>
    /// <exception cref="InvalidNameException">The name cannot be a queue's.</exception>
    /// <exception cref="ObjectDisposedException">The dispatchers have been drained or disposed.</exception>
    public QueueDispatcher Get(string queue)
    {
        ResourceName.RequireQueue(queue);
        ObjectDisposedException.ThrowIf(_closed, this);
        return new QueueDispatcher(this, queue);
    }

    /// <summary>Commits a transaction of the store whose settlements may name deliveries that consumers of these dispatchers hold.</summary>
    /// <param name="transaction">What to do. Its deliveries are not to be settled otherwise before the call has ended.</param>
    /// <param name="mode">What to do where the store has no transactions.</param>
    /// <param name="cancellationToken">Honoured until the store has accepted the transaction, or the first part of it.</param>
    /// <returns>
    /// Whether it was committed. If so, the deliveries are gone and their credit is back with their consumers. If not, or when this throws, those that were not settled are
    /// open again; lost ones too, until their consumer hears of it. What a consumer held that was closed meanwhile has been handed back, as handled.
    /// </returns>
    /// <exception cref="BackendCapabilityException">The store has no transactions, or no routing to publish by; nothing was changed.</exception>
    /// <exception cref="QueueFullException">A queue is full.</exception>
    /// <exception cref="InvalidMessageException">A message breaks a limit; nothing was changed.</exception>
    public async ValueTask<TransactionResult> CommitAsync(
        QueueTransaction transaction, QueueTransactionMode mode = QueueTransactionMode.Atomic, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        if (Transactions is null && mode != QueueTransactionMode.Ordered)
        {
            throw BackendShapes.Missing(Store.Capabilities.Backend, typeof(IQueueTransactions));
        }

        var claims = TransactionClaims.Take(this, transaction);
        try
        {
            if (claims.Lost.Count > 0)
            {
                return new TransactionResult(false, claims.Lost);
            }

            if (Transactions is null)
            {
                return await new OrderedCommit(this, transaction, claims).RunAsync(cancellationToken).ConfigureAwait(false);
            }

            var result = await Transactions.CommitAsync(transaction, cancellationToken).ConfigureAwait(false);
            if (result.Committed)
            {
                claims.End();
            }

            return result;
        }
        finally
        {
            // What has not been settled by now.
            await claims.ReopenAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Drains every dispatcher at the same time; see <see cref="QueueDispatcher.DrainAsync"/>.</summary>
    public Task DrainAsync(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        _closed = true;

        // What is forgotten in between has nothing to drain.
        return Task.WhenAll(_lanes.Values.Where(lanes => lanes.TryClose()).Select(lanes => lanes.DrainAsync(timeout, cancellationToken)));
    }

    /// <summary>Closes every consumer at once and hands back what is not settled, without counting an attempt.</summary>
    public async ValueTask DisposeAsync() => await DrainAsync(TimeSpan.Zero).ConfigureAwait(false);

    /// <summary>The lanes of a queue that has some; otherwise null.</summary>
    internal QueueLanes? FindLanes(string queue) => _lanes.GetValueOrDefault(queue);

    /// <summary>The lanes of a queue for a new consumer. They may be forgotten at any time; a consumer that they do not take any more asks for others.</summary>
    /// <exception cref="ObjectDisposedException">The dispatchers have been drained or disposed.</exception>
    internal QueueLanes OpenLanes(string queue)
    {
        var lanes = FindOrAddLanes(queue);

        // Looked at last: some that were added while everything was being drained must not be given out.
        ObjectDisposedException.ThrowIf(_closed, this);
        return lanes;
    }

    internal QueueLanes FindOrAddLanes(string queue) =>
        _lanes.GetOrAdd(queue, static (name, self) => new QueueLanes(self.Store, name, self._environment, self.Forget), this);

    private void Forget(QueueLanes lanes) => _lanes.TryRemove(new(lanes.Queue, lanes));
}

/// <summary>What the parts of a dispatcher share.</summary>
internal sealed record DispatchEnvironment(QueueDispatcherOptions Options, TimeProvider TimeProvider, ILogger Logger);
