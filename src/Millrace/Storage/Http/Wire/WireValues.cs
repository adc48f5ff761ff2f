using System.Buffers.Text;
using System.Globalization;
using System.Text.Json;

namespace Millrace.Storage.Http.Wire;

/// <summary>Values that JSON has no type for.</summary>
internal static class WireValues
{
    private const int TokenDigits = 32;

    public static void WriteMilliseconds(Utf8JsonWriter json, JsonEncodedText name, TimeSpan value)
    {
        if (value.Ticks % TimeSpan.TicksPerMillisecond == 0)
        {
            json.WriteNumber(name, value.Ticks / TimeSpan.TicksPerMillisecond);
        }
        else
        {
            json.WriteNumber(name, (decimal)value.Ticks / TimeSpan.TicksPerMillisecond);
        }
    }

    public static void WriteToken(Utf8JsonWriter json, JsonEncodedText name, LeaseToken token)
    {
        Span<byte> text = stackalloc byte[TokenDigits];
        Format(text, token);
        json.WriteString(name, text);
    }

    public static void WriteTokenValue(Utf8JsonWriter json, LeaseToken token)
    {
        Span<byte> text = stackalloc byte[TokenDigits];
        Format(text, token);
        json.WriteStringValue(text);
    }

    public static bool TryReadToken(ReadOnlySpan<byte> text, out LeaseToken token)
    {
        token = default;
        if (text.Length != TokenDigits
            || !Utf8Parser.TryParse(text[..(TokenDigits / 2)], out ulong high, out var first, 'x') || first != TokenDigits / 2
            || !Utf8Parser.TryParse(text[(TokenDigits / 2)..], out ulong low, out var second, 'x') || second != TokenDigits / 2)
        {
            return false;
        }

        token = new LeaseToken(high, low);
        return true;
    }

    /// <summary>A version or id in a query string or header.</summary>
    public static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static void Format(Span<byte> text, LeaseToken token)
    {
        token.High.TryFormat(text, out _, "x16", CultureInfo.InvariantCulture);
        token.Low.TryFormat(text[(TokenDigits / 2)..], out _, "x16", CultureInfo.InvariantCulture);
    }
}
