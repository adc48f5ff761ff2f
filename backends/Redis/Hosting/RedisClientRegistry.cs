namespace Millrace.Redis.Hosting;

/// <summary>The clients of an application, by name. Filled while services are registered.</summary>
internal sealed class RedisClientRegistry
{
    private readonly Dictionary<string, string> _urls = new(StringComparer.Ordinal);

    public IReadOnlyCollection<string> Names => _urls.Keys;

    /// <summary>Adds one; false when it is there with the same URL.</summary>
    /// <exception cref="MillraceConfigurationException">It is there with another URL.</exception>
    public bool TryAdd(string name, string url)
    {
        if (_urls.TryAdd(name, url))
        {
            return true;
        }

        return _urls[name] == url ? false : throw new MillraceConfigurationException($"The Redis client '{name}' is already registered with another URL.");
    }
}
