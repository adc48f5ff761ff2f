using Microsoft.Extensions.Configuration;
using Millrace.Configuration;
using Millrace.Storage;

namespace Millrace.Redis.Hosting;

/// <summary>
/// Reads the Redis instances of a configuration section: a field beside the prefix belongs to the default instance, <c>DEFAULT__FIELD</c> overrides it, <c>{INSTANCE}__FIELD</c>
/// belongs to a named one, which inherits nothing.
/// </summary>
internal static class RedisInstances
{
    private const string UrlField = "URL";

    /// <summary>What says on which backend an instance is; the last one as others spell it for caches.</summary>
    private static readonly string[] BackendFields = ["BACKEND", "TYPE", "CACHETYPE"];

    /// <summary>The URL of each instance that is on Redis, with its options, and the keys that mean nothing to it.</summary>
    /// <exception cref="MillraceConfigurationException">An instance says that it is on Redis and has no URL, or a value cannot work; names its key.</exception>
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
        var options = new List<(string Option, string Key)>();
        foreach (var (name, field) in fields)
        {
            if (name == UrlField || BackendFields.Contains(name))
            {
                continue;
            }

            if (!RedisOptions.ClientOptionNames.Contains(name))
            {
                ignored.Add(NearestName.Of(name, RedisOptions.ClientOptionNames) is { } meant ? $"{field.Key} (did you mean {KeyOf(field.Key, meant)}?)" : field.Key);
                continue;
            }

            options.Add(($"{name.ToLowerInvariant()}={Uri.EscapeDataString(field.Value)}", field.Key));
        }

        return (RequireUrl(url, fields[UrlField].Key, options), ignored);
    }

    /// <summary>The URL with its options.</summary>
    private static string RequireUrl(string url, string key, List<(string Option, string Key)> options)
    {
        var whole = Join(url, options);
        if (FaultOf(whole) is not { } fault)
        {
            return whole;
        }

        // What works without one value does not work because of it.
        var keys = FaultOf(url) is not null ? [key]
            : options.Where(option => FaultOf(Join(url, options.Where(other => other != option))) is null).Select(option => option.Key).Take(1).ToList();
        throw new MillraceConfigurationException($"{string.Join(", ", keys.Count > 0 ? keys : options.ConvertAll(option => option.Key))}: {fault.Message}", fault);
    }

    private static string Join(string url, IEnumerable<(string Option, string Key)> options) =>
        options.Aggregate(url, static (joined, option) => $"{joined}{(joined.Contains('?', StringComparison.Ordinal) ? '&' : '?')}{option.Option}");

    private static MillraceConfigurationException? FaultOf(string url)
    {
        try
        {
            RedisOptions.ParseForClient(BackendUrl.Parse(url));
            return null;
        }
        catch (MillraceConfigurationException fault)
        {
            return fault;
        }
    }

    /// <summary>A key for another option beside one that is there: <c>MAX_CONNECTIONS</c> for <c>maxConnections</c>.</summary>
    private static string KeyOf(string key, string option) =>
        key[..(key.LastIndexOf("__", StringComparison.Ordinal) + 2)]
        + string.Concat(option.Select(static c => char.IsAsciiLetterUpper(c) ? $"_{c}" : char.ToUpperInvariant(c).ToString()));
}
