using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Millrace.Configuration;

namespace Millrace.Server.Configuration;

/// <summary>
/// The values of one source: the command line, the environment or a file. Keys that mean the same are one key: <c>MAX_BATCH</c> and <c>MaxBatch</c>,
/// <c>QUEUE__URL</c> and <c>QUEUE__DEFAULT__URL</c>, <c>MQ</c> and <c>QUEUE</c>. Filled by one thread.
/// </summary>
internal sealed class ConfigurationLayer(string source)
{
    private static readonly string[] Prefixes = [ConfigurationKey.Server, ConfigurationKey.Stomp, "QUEUE", "MQ", "STREAM", "CHANNEL", "LOCK", "STATE"];

    // Sections that other infrastructures have, and that nothing here reads.
    private static readonly (string Prefix, string Reason)[] Unread = [("EVENT", "there is no event bus yet"), ("DATABASE", "a node has no databases beside its stores")];

    private readonly Dictionary<ConfigurationKey, ConfiguredValue> _values = [];
    private readonly List<string> _faults = [];
    private readonly List<string> _remarks = [];

    public IReadOnlyDictionary<ConfigurationKey, ConfiguredValue> Values => _values;

    /// <summary>What is wrong with the keys.</summary>
    public IReadOnlyList<string> Faults => _faults;

    /// <summary>What one should know of the keys, although nothing is wrong with them.</summary>
    public IReadOnlyList<string> Remarks => _remarks;

    /// <summary>The variables that configure a server or its instances; others are not ours.</summary>
    public static ConfigurationLayer OfEnvironment(IEnumerable<KeyValuePair<string, string?>> variables)
    {
        var layer = new ConfigurationLayer("the environment");
        foreach (var (name, value) in variables.OrderBy(variable => variable.Key, StringComparer.Ordinal))
        {
            var parts = name.Split("__");
            if (parts.Length > 1 && Prefixes.Contains(parts[0].ToUpperInvariant()))
            {
                layer.Add(string.Join(':', parts), value, $"{name} from the environment");
            }
            else if (parts.Length > 1 && Array.Find(Unread, unread => string.Equals(unread.Prefix, parts[0], StringComparison.OrdinalIgnoreCase)) is { Reason: { } reason })
            {
                layer._remarks.Add($"{name} from the environment is read by nothing: {reason}.");
            }
        }

        return layer;
    }

    /// <summary>A JSON file with the same keys in sections. Comments are allowed.</summary>
    public static ConfigurationLayer OfFile(string path)
    {
        var layer = new ConfigurationLayer(path);
        try
        {
            using var file = File.OpenRead(path);
            foreach (var (key, value) in Collapse(new ConfigurationBuilder().AddJsonStream(file).Build()))
            {
                layer.Add(key, value, $"{key} in {path}");
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or FormatException or InvalidDataException or JsonException)
        {
            layer._faults.Add($"The configuration file '{path}' cannot be read: {(exception.InnerException ?? exception).Message}");
        }

        return layer;
    }

    /// <summary>Adds a value of the command line, or of another source that has no name of its own for it.</summary>
    /// <param name="path">The key, its parts separated by ':'.</param>
    /// <param name="value">The value; empty counts as absent, as it is the only way to unset a variable in some shells.</param>
    /// <param name="origin">Key and source, for people.</param>
    public void Add(string path, string? value, string origin)
    {
        if (string.IsNullOrWhiteSpace(value))
        {
            return;
        }

        if (FindKey(path, origin) is not { } key)
        {
            return;
        }

        var given = new ConfiguredValue(key, path, value.Trim(), source, origin);
        if (!_values.TryGetValue(key, out var earlier) || earlier.Value == given.Value)
        {
            _values[key] = given;
        }
        else if (IsShorthand(earlier) != IsShorthand(given) && PrefixOf(earlier) == PrefixOf(given))
        {
            _values[key] = IsShorthand(earlier) ? given : earlier;
        }
        else
        {
            _faults.Add($"{earlier.Origin} and {given.Origin} mean the same and have different values. Remove one of them.");
        }
    }

    private ConfigurationKey? FindKey(string path, string origin)
    {
        var parts = path.Split(':');
        var prefix = parts[0].ToUpperInvariant();
        if (!Prefixes.Contains(prefix))
        {
            var meant = NearestName.Of(prefix, Prefixes) is { } near ? $" Did you mean {near}?" : "";
            _faults.Add($"The configuration key {origin} is unknown.{meant} Known sections are {string.Join(", ", Prefixes)}.");
            return null;
        }

        var most = ConfigurationKey.IsOfNode(prefix) ? 2 : 3;
        if (parts.Length < 2 || parts.Length > most || parts.Any(string.IsNullOrWhiteSpace))
        {
            _faults.Add($"The configuration key {origin} is not possible: after {prefix} {(most == 2 ? "comes a field" : "come an instance, if not the default one, and a field")}.");
            return null;
        }

        var field = parts[^1].Replace("_", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal).ToUpperInvariant();
        var instance = most == 2 ? "" : parts.Length == 2 ? ConfigurationKey.DefaultInstance : InstanceUrls.Normalize(parts[1]).ToUpperInvariant();
        return new ConfigurationKey(prefix == "MQ" ? "QUEUE" : prefix, instance, field);
    }

    private static bool IsShorthand(ConfiguredValue value) => value.Path.Count(c => c == ':') == 1;

    private static string PrefixOf(ConfiguredValue value) => value.Path.Split(':')[0].ToUpperInvariant();

    // A list in a file has a key for each of its values; here it is one value, so that another source replaces it whole.
    private static SortedDictionary<string, string?> Collapse(IConfiguration configuration)
    {
        var values = new SortedDictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        foreach (var (key, value) in configuration.AsEnumerable().Where(pair => pair.Value is not null).OrderBy(pair => pair.Key, ConfigurationKeyComparer.Instance))
        {
            var last = key.LastIndexOf(':');
            var isItem = last > 0 && key.AsSpan(last + 1).IndexOfAnyExceptInRange('0', '9') < 0;
            var name = isItem ? key[..last] : key;
            values[name] = isItem && values.TryGetValue(name, out var items) ? $"{items};{value}" : value;
        }

        return values;
    }
}
