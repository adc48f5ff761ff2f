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
    private readonly ConcurrentDictionary<string, QueueDispatcher> _dispatchers = new(StringComparer.Ordinal);
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
        LoggerFactory = loggerFactory ?? NullLoggerFactory.Instance;
        _environment = new DispatchEnvironment(options, timeProvider ?? TimeProvider.System, LoggerFactory.CreateLogger("Millrace.Queues.Dispatch"));
    }

    /// <summary>The store.</summary>
    public IQueueStore Store { get; }

    /// <summary>How the dispatchers lease.</summary>
    public QueueDispatcherOptions Options => _environment.Options;

    internal DispatchEnvironment Environment => _environment;

    internal TimeProvider TimeProvider => _environment.TimeProvider;

    internal ILoggerFactory LoggerFactory { get; }

    /// <summary>The dispatcher of a queue, or of the dead-letter queue of one. Costs nothing until it has a consumer.</summary>
    /// <exception cref="InvalidNameException">The name cannot be a queue's.</exception>
    /// <exception cref="ObjectDisposedException">The dispatchers have been drained or disposed.</exception>
    public QueueDispatcher Get(string queue)
    {
        ResourceName.RequireQueue(queue);
        var dispatcher = _dispatchers.GetOrAdd(queue, static (name, self) => new QueueDispatcher(self.Store, name, self._environment), this);

        // Looked at last: one that was added while everything was being drained must not be given out.
        ObjectDisposedException.ThrowIf(_closed, this);
        return dispatcher;
    }

    /// <summary>Drains every dispatcher at the same time; see <see cref="QueueDispatcher.DrainAsync"/>.</summary>
    public Task DrainAsync(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        _closed = true;
        return Task.WhenAll(_dispatchers.Values.Select(dispatcher => dispatcher.DrainAsync(timeout, cancellationToken)));
    }

    /// <summary>Closes every consumer at once and hands back what is not settled, without counting an attempt.</summary>
    public async ValueTask DisposeAsync() => await DrainAsync(TimeSpan.Zero).ConfigureAwait(false);
}

/// <summary>What the parts of a dispatcher share.</summary>
internal sealed record DispatchEnvironment(QueueDispatcherOptions Options, TimeProvider TimeProvider, ILogger Logger);
