using Microsoft.Extensions.Configuration;

namespace Millrace.Configuration;

/// <summary>
/// Reads the instances of an application from its configuration: <c>{PREFIX}__{FIELD}</c> is shorthand for the default instance,
/// <c>{PREFIX}__DEFAULT__{FIELD}</c> overrides it field by field, <c>{PREFIX}__{INSTANCE}__{FIELD}</c> is a named one, which inherits nothing.
/// </summary>
internal static class InstanceConfiguration
{
    private static readonly (string Shape, string[] Prefixes)[] Shapes =
    [
        ("queue", ["QUEUE", "MQ"]),
        ("stream", ["STREAM"]),
        ("channel", ["CHANNEL"]),
        ("lock", ["LOCK"]),
        ("state", ["STATE"]),
    ];

    /// <summary>The instances, by their names in lower case; none when nothing is configured.</summary>
    /// <exception cref="MillraceConfigurationException">A key is unknown, contradicts another, or makes no URL; names the keys, and no secret.</exception>
    public static IReadOnlyDictionary<string, InstanceUrls> Read(IConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        var instances = new SortedDictionary<string, InstanceUrls>(StringComparer.Ordinal);
        foreach (var (shape, prefixes) in Shapes)
        {
            var fields = new Dictionary<string, InstanceFields>(StringComparer.Ordinal);
            foreach (var prefix in prefixes)
            {
                Merge(fields, ReadPrefix(configuration.GetSection(prefix), prefix));
            }

            foreach (var (name, given) in fields)
            {
                var urls = instances.GetValueOrDefault(name) ?? new InstanceUrls();
                instances[name] = With(urls, shape, given.ToUrl(shape)) with { Origin = urls.Origin is null ? given.Keys : $"{urls.Origin}, {given.Keys}" };
            }
        }

        return instances;
    }

    private static Dictionary<string, InstanceFields> ReadPrefix(IConfigurationSection section, string prefix)
    {
        var instances = new Dictionary<string, InstanceFields>(StringComparer.Ordinal);
        var children = section.GetChildren().ToList();

        // The shorthand first, so that DEFAULT overrides it.
        foreach (var child in children.Where(child => !child.GetChildren().Any()))
        {
            Of(InstanceUrls.DefaultInstance).Set(child.Key, child.Value, $"{prefix}__{child.Key.ToUpperInvariant()}");
        }

        foreach (var child in children)
        {
            foreach (var field in child.GetChildren())
            {
                var key = $"{prefix}__{child.Key.ToUpperInvariant()}__{field.Key.ToUpperInvariant()}";
                if (field.GetChildren().FirstOrDefault() is { } deeper)
                {
                    throw new MillraceConfigurationException($"The configuration key {key}__{deeper.Key.ToUpperInvariant()} is too deep: after {prefix} come an instance and a field.");
                }

                Of(InstanceUrls.Normalize(child.Key)).Set(field.Key, field.Value, key);
            }
        }

        return instances.Where(instance => !instance.Value.IsEmpty).ToDictionary();

        InstanceFields Of(string name) => instances.TryGetValue(name, out var fields) ? fields : instances[name] = new InstanceFields();
    }

    private static void Merge(Dictionary<string, InstanceFields> into, Dictionary<string, InstanceFields> from)
    {
        foreach (var (name, fields) in from)
        {
            if (into.TryGetValue(name, out var earlier))
            {
                earlier.MergeAlias(fields);
            }
            else
            {
                into.Add(name, fields);
            }
        }
    }

    private static InstanceUrls With(InstanceUrls urls, string shape, string url) => shape switch
    {
        "queue" => urls with { Queue = url },
        "stream" => urls with { Stream = url },
        "channel" => urls with { Channel = url },
        "lock" => urls with { Lock = url },
        _ => urls with { State = url },
    };
}
