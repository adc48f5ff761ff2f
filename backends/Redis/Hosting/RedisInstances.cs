using Microsoft.Extensions.Configuration;

namespace Millrace.Redis.Hosting;

/// <summary>
/// Reads the Redis instances of a configuration section: a field beside the prefix belongs to the default instance, <c>DEFAULT__FIELD</c> overrides it, <c>{INSTANCE}__FIELD</c>
/// belongs to a named one, which inherits nothing.
/// </summary>
internal static class RedisInstances
{
    private const string UrlField = "URL";

    /// <summary>What says on which backend an instance is; the last one as seeds spell it for caches.</summary>
    private static readonly string[] BackendFields = ["BACKEND", "TYPE", "CACHETYPE"];

    /// <summary>The URL of each instance that is on Redis, with its options, and the keys that mean nothing to it.</summary>
    /// <exception cref="MillraceConfigurationException">An instance says that it is on Redis and has no URL, or an option stands twice.</exception>
    public static IReadOnlyDictionary<string, (string Url, IReadOnlyList<string> Ignored)> Read(IConfigurationSection section, string prefix, string defaultName)
    {
        var instances = new SortedDictionary<string, SortedDictionary<string, (string Value, string Key)>>(StringComparer.Ordinal);
        foreach (var child in section.GetChildren().OrderBy(child => child.GetChildren().Any()))
        {
            if (!child.GetChildren().Any())
            {
                Set(instances, defaultName, child.Key, child.Value, $"{prefix}__{child.Key.ToUpperInvariant()}");
            }

            foreach (var field in child.GetChildren())
            {
                Set(instances, child.Key.Trim().ToLowerInvariant(), field.Key, field.Value, $"{prefix}__{child.Key.ToUpperInvariant()}__{field.Key.ToUpperInvariant()}");
            }
        }

        return instances.Where(instance => IsOnRedis(instance.Value)).ToDictionary(instance => instance.Key, instance => ToUrl(instance.Value));
    }

    private static void Set(
        SortedDictionary<string, SortedDictionary<string, (string Value, string Key)>> instances, string instance, string field, string? value, string key)
    {
        // An empty value counts as absent, as it is the only way to unset an environment variable in some shells.
        if (string.IsNullOrWhiteSpace(value))
        {
            return;
        }

        if (!instances.TryGetValue(instance, out var fields))
        {
            instances.Add(instance, fields = new SortedDictionary<string, (string Value, string Key)>(StringComparer.Ordinal));
        }

        // MAX_CONNECTIONS and max-connections are the option maxConnections.
        fields[field.Replace("_", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal).ToUpperInvariant()] = (value.Trim(), key);
    }

    private static bool IsOnRedis(SortedDictionary<string, (string Value, string Key)> fields)
    {
        var url = fields.TryGetValue(UrlField, out var given) ? given.Value : null;
        var says = BackendFields.Where(fields.ContainsKey).Select(field => fields[field]).FirstOrDefault();
        if (url is null)
        {
            return string.Equals(says.Value, "redis", StringComparison.OrdinalIgnoreCase)
                ? throw new MillraceConfigurationException($"{says.Key} is 'redis', which needs a URL beside it, such as redis://localhost:6379/0.")
                : false;
        }

        return url.StartsWith("redis:", StringComparison.OrdinalIgnoreCase)
            || url.StartsWith("rediss:", StringComparison.OrdinalIgnoreCase)
            || url.StartsWith("redis+", StringComparison.OrdinalIgnoreCase)
            || url.StartsWith("rediss+", StringComparison.OrdinalIgnoreCase);
    }

    private static (string Url, IReadOnlyList<string> Ignored) ToUrl(SortedDictionary<string, (string Value, string Key)> fields)
    {
        var url = fields[UrlField].Value;
        var ignored = new List<string>();
        foreach (var (name, field) in fields)
        {
            if (name == UrlField || BackendFields.Contains(name))
            {
                continue;
            }

            if (!RedisOptions.ClientOptionNames.Contains(name))
            {
                ignored.Add(field.Key);
                continue;
            }

            url += $"{(url.Contains('?', StringComparison.Ordinal) ? '&' : '?')}{name.ToLowerInvariant()}={Uri.EscapeDataString(field.Value)}";
        }

        return (url, ignored);
    }
}
