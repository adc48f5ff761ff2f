using Millrace.Configuration;
using Millrace.Storage;

namespace Millrace.Client;

/// <summary>The backends of one client: one for its URL, and others for shapes that were given their own. Equal URLs are opened once.</summary>
internal sealed class ClientBackends : IHealthProbe, IAsyncDisposable
{
    private readonly Dictionary<string, Backend> _byUrl = new(StringComparer.Ordinal);
    private readonly Dictionary<Type, Backend> _byShape = [];
    private Backend? _main;

    private ClientBackends()
    {
    }

    /// <summary>The name of the backend that has the queues, for telemetry.</summary>
    public string Name => _main?.Name ?? string.Join('+', _byUrl.Values.Select(backend => backend.Name));

    /// <summary>Whether the main backend has no channels and another one stands in for it.</summary>
    public bool HasPairedChannels { get; private set; }

    public IHealthProbe Health => _byUrl.Count == 1 ? _byUrl.Values.First().Health : this;

    /// <summary>Opens all of them; if one cannot be opened, closes the others.</summary>
    public static async ValueTask<ClientBackends> OpenAsync(InstanceUrls urls, MillraceClientOptions options, CancellationToken cancellationToken)
    {
        var opened = new ClientBackends();
        try
        {
            var registry = options.Backends ?? BackendRegistry.CreateDefault();
            var context = new BackendContext { TimeProvider = options.TimeProvider, LoggerFactory = options.LoggerFactory };
            opened._main = urls.Queue is null ? null : await opened.OpenAsync(registry, urls.Queue, context, cancellationToken).ConfigureAwait(false);
            await opened.OpenForAsync<IStreamStore>(options.StreamUrl ?? urls.Stream, registry, context, cancellationToken).ConfigureAwait(false);
            await opened.OpenForAsync<IChannelTransport>(options.ChannelUrl ?? urls.Channel ?? opened.PairChannels(options), registry, context, cancellationToken).ConfigureAwait(false);
            await opened.OpenForAsync<ILockStore>(options.LockUrl ?? urls.Lock, registry, context, cancellationToken).ConfigureAwait(false);
            await opened.OpenForAsync<IStateStore>(options.StateUrl ?? urls.State, registry, context, cancellationToken).ConfigureAwait(false);
            return opened;
        }
        catch
        {
            await opened.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public T? Find<T>()
        where T : class => Of<T>()?.Find<T>();

    public T Require<T>()
        where T : class =>
        (Of<T>() ?? throw new MillraceConfigurationException($"No backend is configured that could be asked for {typeof(T).Name}: set the URL of the queue, or of this shape.")).Require<T>();

    /// <summary>Where the metadata of the streams is kept: beside their records if their backend has state, else in the client's state.</summary>
    public IStateStore RequireStateOfStreams() =>
        Of<IStreamStore>()?.Find<IStateStore>() ?? Find<IStateStore>() ?? throw new MillraceConfigurationException(
            $"The backend '{Of<IStreamStore>()?.Name}' has streams but no state, and no other state is configured: what streams there are must be kept somewhere. Set the URL of the state (StateUrl).");

    /// <summary>Healthy when every one of them is. They are asked at the same time.</summary>
    public async ValueTask<HealthReport> ProbeAsync(CancellationToken cancellationToken = default)
    {
        var reports = await Task.WhenAll(_byUrl.Values.Select(
            async backend => (Name: LabelOf(backend), Report: await backend.Health.ProbeAsync(cancellationToken).ConfigureAwait(false)))).ConfigureAwait(false);
        var errors = reports.Where(probed => !probed.Report.IsHealthy).Select(probed => $"{probed.Name}: {probed.Report.Error}").ToList();
        var details = new Dictionary<string, string>();
        foreach (var (name, report) in reports)
        {
            foreach (var detail in report.Details)
            {
                details.TryAdd($"{name}.{detail.Key}", detail.Value);
            }
        }

        var duration = reports.Max(probed => probed.Report.Duration);
        var warnings = reports.Where(probed => probed.Report.Warning is not null).Select(probed => $"{probed.Name}: {probed.Report.Warning}").ToList();
        return new HealthReport(errors.Count == 0, duration, errors.Count == 0 ? null : string.Join("; ", errors), details)
        {
            Warning = warnings.Count == 0 ? null : string.Join("; ", warnings),
        };
    }

    public string? FindPermanentFailure() => _byUrl.Values.Select(backend => backend.Health.FindPermanentFailure()).FirstOrDefault(failure => failure is not null);

    public async ValueTask DisposeAsync()
    {
        foreach (var backend in _byUrl.Values)
        {
            await backend.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The backend's name; with the shapes that it has been given where others have the same.</summary>
    private string LabelOf(Backend backend)
    {
        if (_byUrl.Values.Count(other => other.Name == backend.Name) == 1)
        {
            return backend.Name;
        }

        var shapes = _byShape.Where(shape => shape.Value == backend).Select(shape => BackendShapes.NameOf(shape.Key));
        return $"{backend.Name} ({string.Join(", ", backend == _main ? shapes.Prepend(BackendShapes.NameOf(typeof(IQueueStore))) : shapes)})";
    }

    private string? PairChannels(MillraceClientOptions options)
    {
        var url = _main is { Channels: null } ? options.ChannelUrlWhereMissing : null;
        HasPairedChannels = url is not null;
        return url;
    }

    /// <summary>The backend that would be asked for a shape.</summary>
    public Backend? Of<T>() => _byShape.GetValueOrDefault(typeof(T), _main!);

    private async ValueTask OpenForAsync<TShape>(string? url, BackendRegistry registry, BackendContext context, CancellationToken cancellationToken)
        where TShape : class
    {
        if (url is not null)
        {
            var backend = await OpenAsync(registry, url, context, cancellationToken).ConfigureAwait(false);
            backend.Require<TShape>();
            _byShape[typeof(TShape)] = backend;
        }
    }

    private async ValueTask<Backend> OpenAsync(BackendRegistry registry, string url, BackendContext context, CancellationToken cancellationToken)
    {
        var key = url.Trim();
        if (!_byUrl.TryGetValue(key, out var backend))
        {
            backend = await registry.OpenAsync(key, context, cancellationToken).ConfigureAwait(false);
            _byUrl.Add(key, backend);
        }

        return backend;
    }
}
