using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>Percent-encoded UTF-8 (RFC 3986), decoded once and strictly: what the framework cannot decode it passes on as it stands.</summary>
internal static class PercentEncoding
{
    /// <summary>The text that was encoded.</summary>
    /// <param name="encoded">The text as it was sent.</param>
    /// <param name="what">Where it stands, for the error.</param>
    /// <exception cref="WireFormatException">A percent sign has no two digits behind it, or the bytes are not UTF-8.</exception>
    public static string Decode(string encoded, string what)
    {
        if (!encoded.Contains('%', StringComparison.Ordinal))
        {
            return encoded;
        }

        var bytes = Encoding.UTF8.GetBytes(encoded);
        var length = 0;
        for (var i = 0; i < bytes.Length; i++)
        {
            if (bytes[i] != '%')
            {
                bytes[length++] = bytes[i];
            }
            else if (i + 2 < bytes.Length && byte.TryParse(bytes.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
            {
                bytes[length++] = value;
                i += 2;
            }
            else
            {
                throw new WireFormatException($"{what} has a '%' that is not followed by two hexadecimal digits; write %25 for a percent sign.");
            }
        }

        return Utf8.IsValid(bytes.AsSpan(0, length))
            ? Encoding.UTF8.GetString(bytes, 0, length)
            : throw new WireFormatException($"{what} has percent-encoded bytes that are not valid UTF-8.");
    }
}
