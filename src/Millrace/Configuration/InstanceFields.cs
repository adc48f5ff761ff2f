using Millrace.Storage;

namespace Millrace.Configuration;

/// <summary>The fields that configuration gives for one shape of one instance, and how they become a URL. Filled by one thread.</summary>
internal sealed class InstanceFields
{
    private const string UrlField = "URL";
    private const string BackendField = "BACKEND";

    /// <summary>What people call a backend that has another word as its scheme.</summary>
    private static readonly Dictionary<string, string> SchemesOfBackends = new(StringComparer.OrdinalIgnoreCase)
    {
        ["rabbitmq"] = "amqp",
        ["postgresql"] = "postgres",
        ["zeromq"] = "zmq",
    };

    private readonly SortedDictionary<string, (string Value, string Key)> _fields = new(StringComparer.Ordinal);

    public bool IsEmpty => _fields.Count == 0;

    /// <summary>The configuration keys, for errors.</summary>
    public string Keys => string.Join(", ", _fields.Values.Select(given => given.Key));

    /// <summary>Sets a field, replacing an earlier value. An empty value counts as absent, as it is the only way to unset an environment variable in some shells.</summary>
    public void Set(string field, string? value, string key)
    {
        if (string.IsNullOrWhiteSpace(value))
        {
            return;
        }

        // KEY_PREFIX and key-prefix are the option keyPrefix.
        var name = field.Replace("_", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal).ToUpperInvariant();
        if (name is not (UrlField or BackendField) && NearestName.Of(name, [UrlField, BackendField]) is { } meant)
        {
            throw new MillraceConfigurationException($"The configuration key {key} is unknown. Did you mean {key[..^field.Length]}{meant}?");
        }

        _fields[name] = (value.Trim(), key);
    }

    /// <summary>Takes over the fields that were given under another prefix with the same meaning.</summary>
    public void MergeAlias(InstanceFields alias)
    {
        foreach (var (name, field) in alias._fields)
        {
            if (_fields.TryGetValue(name, out var own) && !string.Equals(own.Value, field.Value, StringComparison.Ordinal))
            {
                throw new MillraceConfigurationException($"The configuration keys {own.Key} and {field.Key} mean the same and have different values. Remove one of them.");
            }

            _fields[name] = own.Key is null ? field : own;
        }
    }

    /// <summary>The URL, with the other fields as its options.</summary>
    /// <param name="shape">What it is for: channels have fields of their own.</param>
    public string ToUrl(string shape)
    {
        var url = UrlOrBackend();
        var parsed = BackendUrl.Parse(url);
        foreach (var (field, given) in _fields)
        {
            var option = shape == ChannelFields.Shape ? ChannelFields.ToOption(field, given.Value, given.Key, parsed.Scheme) : (field, given.Value);
            if (field is UrlField or BackendField || option is not var (name, value))
            {
                continue;
            }

            if (parsed.Options.ContainsKey(name))
            {
                throw new MillraceConfigurationException($"The option '{name.ToLowerInvariant()}' is set by {given.Key} and stands in the URL {parsed} too. Remove one of them.");
            }

            if (name != field && _fields.TryGetValue(name, out var same))
            {
                throw new MillraceConfigurationException($"The configuration keys {same.Key} and {given.Key} mean the same. Remove one of them.");
            }

            url += $"{(url.Contains('?', StringComparison.Ordinal) ? '&' : '?')}{name.ToLowerInvariant()}={Uri.EscapeDataString(value)}";
        }

        return url;
    }

    private string UrlOrBackend()
    {
        var hasBackend = _fields.TryGetValue(BackendField, out var backend);
        var scheme = hasBackend ? SchemesOfBackends.GetValueOrDefault(backend.Value, backend.Value.ToLowerInvariant()) : "";
        if (!_fields.TryGetValue(UrlField, out var url))
        {
            return (hasBackend, scheme) switch
            {
                (true, "memory") => "memory:",
                (true, _) => throw new MillraceConfigurationException($"{backend.Key} is '{backend.Value}', which needs a URL: set {backend.Key[..^BackendField.Length]}{UrlField}."),
                _ => throw new MillraceConfigurationException($"{Keys} is set, but there is no {UrlField} or {BackendField} beside it."),
            };
        }

        var parsed = BackendUrl.Parse(url.Value);
        var urlScheme = SchemesOfBackends.GetValueOrDefault(parsed.Scheme, parsed.Scheme);

        // The secure variants of schemes, rediss and amqps, are the same backend.
        return !hasBackend || urlScheme == scheme || urlScheme == scheme + "s"
            ? url.Value
            : throw new MillraceConfigurationException($"{backend.Key} is '{backend.Value}', but {url.Key} is {parsed}. Make them agree, or remove {backend.Key}: the URL names the backend.");
    }
}
