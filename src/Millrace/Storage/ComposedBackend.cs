using System.Runtime.ExceptionServices;

namespace Millrace.Storage;

/// <summary>A backend made of its user's own store objects.</summary>
internal sealed class ComposedBackend : Backend, IHealthProbe
{
    private readonly object[] _stores;
    private readonly IHealthProbe[] _probes;

    public ComposedBackend(string name, object[] stores)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(stores);
        Name = name;
        _stores = stores;
        _probes = [.. stores.OfType<IHealthProbe>()];
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

    public override IHealthProbe Health => _probes.Length == 1 ? _probes[0] : this;

    /// <summary>Asks all the stores that have a probe, at the same time. Stores without one are as healthy as the process.</summary>
    public async ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default)
    {
        if (_probes.Length == 0)
        {
            return new HealthReport(true, TimeSpan.Zero, null, new Dictionary<string, string> { ["probe"] = "none: the stores implement no IHealthProbe" });
        }

        var reports = await Task.WhenAll(_probes.Select(probe => probe.ProbeAsync(cancellationToken).AsTask())).ConfigureAwait(false);
        var details = new Dictionary<string, string>();
        var (errors, warnings) = (new List<string>(), new List<string>());
        for (var i = 0; i < reports.Length; i++)
        {
            var (report, store) = (reports[i], NameOf(i));
            details[store] = report.IsHealthy ? "healthy" : "unhealthy";
            foreach (var (fact, value) in report.Details)
            {
                details[$"{store}.{fact}"] = value;
            }

            if (!report.IsHealthy)
            {
                errors.Add($"{store}: {report.Error ?? "unhealthy"}");
            }

            if (report.Warning is { } warning)
            {
                warnings.Add($"{store}: {warning}");
            }
        }

        return new HealthReport(errors.Count == 0, reports.Max(report => report.Duration), errors.Count == 0 ? null : string.Join("; ", errors), details)
        {
            Warning = warnings.Count == 0 ? null : string.Join("; ", warnings),
        };
    }

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

    /// <summary>The shapes of the store with a probe, such as <c>queues+state</c>: it has at least one, and no other store has it.</summary>
    private string NameOf(int probe)
    {
        (string Name, object? Store)[] shapes = [("queues", Queues), ("streams", Streams), ("channels", Channels), ("locks", Locks), ("state", State)];
        return string.Join('+', shapes.Where(shape => ReferenceEquals(shape.Store, _probes[probe])).Select(shape => shape.Name));
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
