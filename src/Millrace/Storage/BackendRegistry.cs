using Millrace.Storage.FileLog;
using Millrace.Storage.Http;
using Millrace.Storage.InMemory;

namespace Millrace.Storage;

/// <summary>Opens one backend from its URL.</summary>
/// <param name="url">The URL.</param>
/// <param name="context">Clock and log.</param>
/// <param name="cancellationToken">Ends the opening.</param>
public delegate ValueTask<Backend> BackendFactory(BackendUrl url, BackendContext context, CancellationToken cancellationToken);

/// <summary>
/// The backends that a URL can name. Names are trimmed and compared without case. Safe for concurrent use.
/// </summary>
public sealed class BackendRegistry
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, BackendFactory> _factories = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>A registry with the backends that are part of the core (<c>memory:</c>, <c>file:</c>, <c>http:</c>, <c>https:</c>) and those whose packages the application references.</summary>
    public static BackendRegistry CreateDefault()
    {
        var registry = new BackendRegistry();
        registry.Add("memory", InMemoryBackend.OpenAsync);
        registry.Add("file", FileBackend.OpenAsync);
        registry.Add("http", HttpBackend.OpenAsync);
        registry.Add("https", HttpBackend.OpenAsync);
        foreach (var package in BackendPackages.Known)
        {
            package.AddTo(registry);
        }

        return registry;
    }

    /// <summary>The registered names, sorted.</summary>
    public IReadOnlyList<string> Names
    {
        get
        {
            lock (_gate)
            {
                return [.. _factories.Keys];
            }
        }
    }

    /// <summary>Registers a backend under a scheme.</summary>
    /// <param name="name">The scheme; letters, digits, <c>+ - .</c>.</param>
    /// <param name="factory">Opens it.</param>
    /// <param name="replace">True to replace an earlier registration on purpose.</param>
    /// <exception cref="MillraceConfigurationException">The name is taken, or cannot be a scheme.</exception>
    public void Add(string name, BackendFactory factory, bool replace = false)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(factory);
        var scheme = name.Trim();
        if (scheme.Length == 0 || !char.IsAsciiLetter(scheme[0]) || !scheme.All(c => char.IsAsciiLetterOrDigit(c) || c is '+' or '-' or '.'))
        {
            throw new MillraceConfigurationException($"'{name}' cannot be a backend's name: it must be usable as a URL scheme (a letter, then letters, digits, '+', '-' or '.').");
        }

        lock (_gate)
        {
            if (!replace && _factories.ContainsKey(scheme))
            {
                throw new MillraceConfigurationException($"A backend '{scheme}' is already registered. Pass replace: true to replace it on purpose.");
            }

            _factories[scheme] = factory;
        }
    }

    /// <summary>Registers a backend that opens without waiting: <c>registry.Add("simple", (url, context) => Backend.Of("simple", new SimpleStore()))</c>.</summary>
    public void Add(string name, Func<BackendUrl, BackendContext, Backend> factory, bool replace = false)
    {
        ArgumentNullException.ThrowIfNull(factory);
        Add(name, (url, context, _) => new ValueTask<Backend>(factory(url, context)), replace);
    }

    /// <summary>Opens the backend that <paramref name="url"/> names.</summary>
    /// <exception cref="MillraceConfigurationException">The scheme or an option is unknown, or the URL cannot be read.</exception>
    public ValueTask<Backend> OpenAsync(string url, BackendContext? context = null, CancellationToken cancellationToken = default)
    {
        var parsed = BackendUrl.Parse(url);
        return Find(parsed)(parsed, context ?? new BackendContext(), cancellationToken);
    }

    private BackendFactory Find(BackendUrl url)
    {
        lock (_gate)
        {
            // The whole scheme first (redis+sentinel), then without a driver suffix (sqlite+aiosqlite).
            if (_factories.TryGetValue(url.FullScheme, out var factory) || _factories.TryGetValue(url.Scheme, out factory))
            {
                return factory;
            }
        }

        throw new MillraceConfigurationException(BackendPackages.Missing(url.Scheme, Names));
    }
}
