using System.Globalization;

namespace Millrace.Sqlite.Queues;

/// <summary>Where a browse goes on: two numbers, <c>first.second</c> in hexadecimal.</summary>
internal static class Continuation
{
    public static string Format(long first, long second) => string.Create(CultureInfo.InvariantCulture, $"{first:x}.{second:x}");

    /// <summary>Reads one; the start of everything for null.</summary>
    /// <exception cref="MillraceConfigurationException">The text is none.</exception>
    public static (long First, long Second) Parse(string? text)
    {
        if (text is null)
        {
            return (long.MinValue, 0);
        }

        var dot = text.IndexOf('.', StringComparison.Ordinal);
        return dot > 0
            && long.TryParse(text.AsSpan(0, dot), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var first)
            && long.TryParse(text.AsSpan(dot + 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var second)
            ? (first, second)
            : throw new MillraceConfigurationException($"'{text}' is no continuation of a browse: pass the Next of the page before, unchanged.");
    }
}
