using System.Buffers.Text;
using System.Text;
using Microsoft.Extensions.Primitives;

namespace Millrace.Server.Security.Requests;

/// <summary>What an <c>Authorization</c> header says: a name and a password, or a key. Never shown: it has no text form.</summary>
internal readonly struct Credentials
{
    /// <summary>Longer than any name with any password, and much shorter than what a server takes as headers.</summary>
    private const int MaxCharacters = 8 * 1024;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private Credentials(string? name, string secret) => (Name, Secret) = (name, secret);

    /// <summary>The user's name; null for a key.</summary>
    public string? Name { get; }

    /// <summary>The password or the key.</summary>
    public string Secret { get; }

    /// <summary>A name and a password.</summary>
    public static Credentials Password(string name, string password) => new(name, password);

    /// <summary>A key.</summary>
    public static Credentials Key(string key) => new(null, key);

    /// <summary>Reads a header: <c>Basic</c> with Base64 of UTF-8 (RFC 7617), or <c>Bearer</c> (RFC 6750). False if it is neither.</summary>
    public static bool TryRead(StringValues header, out Credentials credentials)
    {
        credentials = default;
        if (header.Count != 1 || header[0] is not { Length: <= MaxCharacters } text)
        {
            return false;
        }

        var space = text.IndexOf(' ', StringComparison.Ordinal);
        if (space < 0)
        {
            return false;
        }

        var value = text.AsSpan(space).Trim(' ');
        if (text.AsSpan(0, space).Equals("Bearer", StringComparison.OrdinalIgnoreCase))
        {
            credentials = Key(value.ToString());
            return value.Length > 0;
        }

        return text.AsSpan(0, space).Equals("Basic", StringComparison.OrdinalIgnoreCase) && TryReadBasic(value, out credentials);
    }

    private static bool TryReadBasic(ReadOnlySpan<char> value, out Credentials credentials)
    {
        credentials = default;
        var bytes = new byte[value.Length];

        // The reader of Base64 would skip white space, which has no place here.
        if (!Base64.IsValid(value) || value.ContainsAny(" \t\r\n") || !Convert.TryFromBase64Chars(value, bytes, out var length))
        {
            return false;
        }

        string pair;
        try
        {
            pair = StrictUtf8.GetString(bytes, 0, length);
        }
        catch (DecoderFallbackException)
        {
            return false;
        }

        var colon = pair.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0 || pair.Any(char.IsControl))
        {
            return false;
        }

        credentials = Password(pair[..colon], pair[(colon + 1)..]);
        return true;
    }
}
