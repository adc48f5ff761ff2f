using System.Globalization;

namespace Millrace.Storage;

/// <summary>
/// A backend's URL, taken apart: <c>scheme:path?options</c> or <c>scheme://user:password@host:port,host:port/path?options</c>. A <c>+driver</c> suffix of the
/// scheme is kept in <see cref="FullScheme"/>. Immutable; its text form masks the password.
/// </summary>
public sealed class BackendUrl
{
    private readonly Dictionary<string, string> _options = new(StringComparer.OrdinalIgnoreCase);

    private BackendUrl(string fullScheme) => FullScheme = fullScheme;

    /// <summary>The scheme as written, lower case: <c>redis+sentinel</c>.</summary>
    public string FullScheme { get; }

    /// <summary>The scheme without a <c>+</c> suffix: <c>redis</c>.</summary>
    public string Scheme => FullScheme.Split('+')[0];

    /// <summary>The hosts of the authority, in order; empty for <c>scheme:path</c>.</summary>
    public IReadOnlyList<BackendHost> Hosts { get; private init; } = [];

    /// <summary>The user name, unescaped; null if none was given.</summary>
    public string? UserName { get; private init; }

    /// <summary>The password, unescaped; null if none was given.</summary>
    public string? Password { get; private init; }

    /// <summary>The path, unescaped. After an authority, without its leading slash.</summary>
    public string Path { get; private init; } = "";

    /// <summary>The options of the query string, unescaped. Names are compared without case.</summary>
    public IReadOnlyDictionary<string, string> Options => _options;

    /// <summary>Starts reading the options with names and types; see <see cref="BackendOptionReader"/>.</summary>
    public BackendOptionReader ReadOptions() => new(this);

    /// <summary>Takes a URL apart.</summary>
    /// <exception cref="MillraceConfigurationException">The text is no backend URL; says what is wrong. A password in it is not repeated.</exception>
    public static BackendUrl Parse(string url)
    {
        ArgumentNullException.ThrowIfNull(url);
        var text = url.Trim();
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon <= 0 || !IsScheme(text.AsSpan(0, colon)))
        {
            throw new MillraceConfigurationException(
                $"'{(colon < 0 ? text : text[..colon])}' is no backend URL: it must begin with a scheme, such as memory: or sqlite:./data.db.");
        }

        var rest = text[(colon + 1)..];
        var query = rest.IndexOf('?', StringComparison.Ordinal);
        var parsed = ParseTarget(text[..colon].ToLowerInvariant(), query < 0 ? rest : rest[..query]);
        foreach (var pair in query < 0 ? [] : rest[(query + 1)..].Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            var name = Uri.UnescapeDataString(equals < 0 ? pair : pair[..equals]);
            if (!parsed._options.TryAdd(name, equals < 0 ? "" : Uri.UnescapeDataString(pair[(equals + 1)..])))
            {
                throw new MillraceConfigurationException($"The option '{name}' stands twice in the URL {parsed}.");
            }
        }

        return parsed;
    }

    /// <summary>The URL with its password and the values of options masked, fit for logs and errors.</summary>
    public override string ToString()
    {
        var user = UserName is null && Password is null ? "" : Uri.EscapeDataString(UserName ?? "") + (Password is null ? "@" : ":***@");
        var target = Hosts.Count == 0 ? Path : $"//{user}{string.Join(',', Hosts)}{(Path.Length == 0 ? "" : "/" + Path)}";
        var options = _options.Count == 0 ? "" : "?" + string.Join('&', _options.Select(option => $"{option.Key}={Masked(option)}"));
        return $"{FullScheme}:{target}{options}";
    }

    /// <summary>Whether an option of this name holds a secret: <c>password</c>, <c>pfxPassword</c>, <c>apiKey</c>; not <c>keyPrefix</c>.</summary>
    internal static bool IsSecret(string option) =>
        option.Contains("password", StringComparison.OrdinalIgnoreCase)
        || option.Contains("secret", StringComparison.OrdinalIgnoreCase)
        || option.Contains("token", StringComparison.OrdinalIgnoreCase)
        || option.EndsWith("key", StringComparison.OrdinalIgnoreCase);

    private static string Masked(KeyValuePair<string, string> option) => IsSecret(option.Key) ? "***" : option.Value;

    private static BackendUrl ParseTarget(string scheme, string target)
    {
        if (!target.StartsWith("//", StringComparison.Ordinal))
        {
            return new BackendUrl(scheme) { Path = Uri.UnescapeDataString(target) };
        }

        var slash = target.IndexOf('/', 2);
        var authority = slash < 0 ? target[2..] : target[2..slash];
        var path = slash < 0 ? "" : Uri.UnescapeDataString(target[(slash + 1)..]);
        if (authority.Length == 0)
        {
            // scheme:///absolute/path; and scheme:///./relative, which other tools' URLs use for a relative path.
            var isRelative = path.StartsWith("./", StringComparison.Ordinal) || path.StartsWith("../", StringComparison.Ordinal);
            return new BackendUrl(scheme) { Path = isRelative ? path : "/" + path };
        }

        var at = authority.LastIndexOf('@');
        var login = at < 0 ? null : authority[..at];
        var separator = login?.IndexOf(':', StringComparison.Ordinal) ?? -1;
        return new BackendUrl(scheme)
        {
            UserName = login is null ? null : Uri.UnescapeDataString(separator < 0 ? login : login[..separator]),
            Password = separator < 0 ? null : Uri.UnescapeDataString(login![(separator + 1)..]),
            Hosts = Array.ConvertAll(authority[(at + 1)..].Split(','), host => ParseHost(scheme, host)),
            Path = path,
        };
    }

    private static BackendHost ParseHost(string scheme, string text)
    {
        var end = text.StartsWith('[') ? text.IndexOf(']', StringComparison.Ordinal) + 1 : text.IndexOf(':', StringComparison.Ordinal);
        end = end < 0 ? text.Length : end;
        var name = text[..end].Trim('[', ']');
        var port = 0;
        var valid = name.Length > 0
            && (end == text.Length
                || (text[end] == ':' && int.TryParse(text.AsSpan(end + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is > 0 and <= 65535));
        return valid
            ? new BackendHost(name, port == 0 ? null : port)
            : throw new MillraceConfigurationException($"'{text}' in a {scheme}: URL is no host, or its port is not 1 to 65535.");
    }

    private static bool IsScheme(ReadOnlySpan<char> text)
    {
        foreach (var c in text)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('+' or '-' or '.'))
            {
                return false;
            }
        }

        return char.IsAsciiLetter(text[0]);
    }
}

/// <summary>A host of a backend's URL.</summary>
/// <param name="Name">The name or address, without brackets.</param>
/// <param name="Port">The port; null: the scheme's own.</param>
public sealed record BackendHost(string Name, int? Port)
{
    /// <inheritdoc/>
    public override string ToString()
    {
        var name = Name.Contains(':', StringComparison.Ordinal) ? $"[{Name}]" : Name;
        return Port is null ? name : string.Create(CultureInfo.InvariantCulture, $"{name}:{Port}");
    }
}
