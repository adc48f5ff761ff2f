using System.Globalization;
using Millrace.Configuration;

namespace Millrace.Storage;

/// <summary>
/// Reads the options of a backend's URL by name and type. Every name that is asked for is thereby allowed; <see cref="RejectUnknown"/>, called last,
/// refuses the others and lists the allowed ones, so that no option can be misspelt without notice. Not safe for concurrent use.
/// </summary>
public sealed class BackendOptionReader
{
    private readonly BackendUrl _url;
    private readonly SortedSet<string> _allowed = new(StringComparer.OrdinalIgnoreCase);

    internal BackendOptionReader(BackendUrl url) => _url = url;

    /// <summary>A text, or <paramref name="defaultValue"/> when the option is absent.</summary>
    public string? Text(string name, string? defaultValue = null)
    {
        _allowed.Add(name);
        return _url.Options.GetValueOrDefault(name, defaultValue!);
    }

    /// <summary><c>true</c> or <c>false</c>; anything else is an error.</summary>
    public bool Boolean(string name, bool defaultValue) => Text(name)?.ToUpperInvariant() switch
    {
        null => defaultValue,
        "TRUE" or "1" or "YES" or "ON" => true,
        "FALSE" or "0" or "NO" or "OFF" => false,
        _ => throw Invalid(name, "true or false"),
    };

    /// <summary>A whole number within bounds.</summary>
    public long Number(string name, long defaultValue, long minimum, long maximum)
    {
        var text = Text(name);
        if (text is null)
        {
            return defaultValue;
        }

        return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= minimum && value <= maximum
            ? value
            : throw Invalid(name, string.Create(CultureInfo.InvariantCulture, $"a whole number from {minimum} to {maximum}"));
    }

    /// <summary>A whole number of milliseconds within bounds.</summary>
    public TimeSpan Milliseconds(string name, TimeSpan defaultValue, TimeSpan minimum, TimeSpan maximum) =>
        TimeSpan.FromMilliseconds(Number(name, (long)defaultValue.TotalMilliseconds, (long)minimum.TotalMilliseconds, (long)maximum.TotalMilliseconds));

    /// <summary>One of a set of words.</summary>
    public TChoice Choice<TChoice>(string name, TChoice defaultValue, params ReadOnlySpan<(string Word, TChoice Value)> choices)
    {
        var text = Text(name);
        if (text is null)
        {
            return defaultValue;
        }

        var words = new List<string>();
        foreach (var (word, value) in choices)
        {
            if (string.Equals(word, text, StringComparison.OrdinalIgnoreCase))
            {
                return value;
            }

            words.Add(word);
        }

        throw Invalid(name, string.Join(", ", words));
    }

    /// <summary>Refuses options that nobody has asked for.</summary>
    /// <exception cref="MillraceConfigurationException">Names the option and lists the allowed ones.</exception>
    public void RejectUnknown()
    {
        foreach (var name in _url.Options.Keys)
        {
            if (!_allowed.Contains(name))
            {
                var allowed = _allowed.Count == 0 ? "it takes no options" : "allowed are " + string.Join(", ", _allowed);
                var meant = NearestName.Of(name, _allowed) is { } nearest ? $" Did you mean '{nearest}'?" : "";
                throw new MillraceConfigurationException($"The backend '{_url.Scheme}' has no option '{name}': {allowed}.{meant}");
            }
        }
    }

    private MillraceConfigurationException Invalid(string name, string allowed) =>
        new($"The option '{name}' of backend '{_url.Scheme}' must be {allowed}, not '{_url.Options[name]}'.");
}
