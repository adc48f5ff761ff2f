using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Millrace.Storage;

/// <summary>
/// An opened backend: the shapes that it implements, and its health. A shape that it lacks is null; <see cref="Require{T}"/> turns that into
/// a <see cref="BackendCapabilityException"/>. Disposing closes everything it gave out.
/// </summary>
public abstract class Backend : IAsyncDisposable
{
    /// <summary>The name, such as <c>sqlite</c>.</summary>
    public abstract string Name { get; }

    /// <summary>Queues, or null.</summary>
    public virtual IQueueStore? Queues => null;

    /// <summary>Streams, or null.</summary>
    public virtual IStreamStore? Streams => null;

    /// <summary>Channels, or null.</summary>
    public virtual IChannelTransport? Channels => null;

    /// <summary>Locks, or null.</summary>
    public virtual ILockStore? Locks => null;

    /// <summary>State, or null.</summary>
    public virtual IStateStore? State => null;

    /// <summary>The probe of this backend's health.</summary>
    public abstract IHealthProbe Health { get; }

    /// <summary>
    /// The contract <typeparamref name="T"/>: one of the shapes, or <see cref="IQueueAdmin"/>, <see cref="IQueueRouting"/>, <see cref="IQueueTransactions"/>
    /// where the queue store has them.
    /// </summary>
    /// <exception cref="BackendCapabilityException">This backend has no such contract; names the ones of the default registry that do.</exception>
    public T Require<T>()
        where T : class =>
        Find<T>() ?? throw BackendShapes.Missing(Name, typeof(T));

    /// <summary>The contract <typeparamref name="T"/>, or null.</summary>
    public T? Find<T>()
        where T : class
    {
        object?[] stores = [Queues, Streams, Channels, Locks, State];
        return Offers(typeof(T)) ? Array.Find(stores, store => store is T) as T : null;
    }

    /// <summary>
    /// Whether a contract that one of the stores implements is offered. True unless overridden: by a client of a server, whose stores implement every contract and can do what
    /// the server can.
    /// </summary>
    /// <param name="contract">The contract's type.</param>
    protected virtual bool Offers(Type contract) => true;

    /// <summary>
    /// A backend of your own from objects that each implement one or more of the contracts; they are disposed with it. Those that implement <see cref="IHealthProbe"/> are its health: with
    /// several, all are asked, the worst counts, and details and errors name each by its shapes.
    /// </summary>
    /// <param name="name">Its name.</param>
    /// <param name="stores">The objects.</param>
    /// <exception cref="ArgumentException">An object implements none of the contracts, or two implement the same one.</exception>
    public static Backend Of(string name, params object[] stores) => new ComposedBackend(name, stores);

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();
}

/// <summary>What a backend is opened with besides its URL.</summary>
public sealed record BackendContext
{
    /// <summary>The clock; the system's unless set.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Where a backend logs; nowhere unless set.</summary>
    public ILoggerFactory LoggerFactory { get; init; } = NullLoggerFactory.Instance;
}
