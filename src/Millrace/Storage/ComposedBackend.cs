using System.Runtime.ExceptionServices;

namespace Millrace.Storage;

/// <summary>A backend made of its user's own store objects.</summary>
internal sealed class ComposedBackend : Backend, IHealthProbe
{
    private readonly object[] _stores;

    public ComposedBackend(string name, object[] stores)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(stores);
        Name = name;
        _stores = stores;
        Queues = Single<IQueueStore>();
        Streams = Single<IStreamStore>();
        Channels = Single<IChannelTransport>();
        Locks = Single<ILockStore>();
        State = Single<IStateStore>();
        var idle = Array.Find(stores, store => store is not (IQueueStore or IStreamStore or IChannelTransport or ILockStore or IStateStore));
        if (idle is not null || stores.Length == 0)
        {
            throw new ArgumentException(
                $"A backend needs objects that implement IQueueStore, IStreamStore, IChannelTransport, ILockStore or IStateStore; '{idle?.GetType().Name ?? "none"}' does not.",
                nameof(stores));
        }
    }

    public override string Name { get; }

    public override IQueueStore? Queues { get; }

    public override IStreamStore? Streams { get; }

    public override IChannelTransport? Channels { get; }

    public override ILockStore? Locks { get; }

    public override IStateStore? State { get; }

    public override IHealthProbe Health => Array.Find(_stores, store => store is IHealthProbe) as IHealthProbe ?? this;

    /// <summary>For stores without a probe of their own: they are as healthy as the process.</summary>
    public ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default) =>
        new(new HealthReport(true, TimeSpan.Zero, null, new Dictionary<string, string> { ["probe"] = "none: the stores implement no IHealthProbe" }));

    public override async ValueTask DisposeAsync()
    {
        ExceptionDispatchInfo? failure = null;
        foreach (var store in _stores)
        {
            try
            {
                await DisposeAsync(store).ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                // The others are closed all the same.
                failure ??= ExceptionDispatchInfo.Capture(exception);
            }
        }

        failure?.Throw();
    }

    private static async ValueTask DisposeAsync(object store)
    {
        if (store is IAsyncDisposable asyncDisposable)
        {
            await asyncDisposable.DisposeAsync().ConfigureAwait(false);
        }
        else if (store is IDisposable disposable)
        {
            disposable.Dispose();
        }
    }

    private T? Single<T>()
        where T : class
    {
        var found = Array.FindAll(_stores, store => store is T);
        return found.Length switch
        {
            0 => null,
            1 => (T)found[0],
            _ => throw new ArgumentException($"Two objects implement {typeof(T).Name}; a backend has one of each."),
        };
    }
}
