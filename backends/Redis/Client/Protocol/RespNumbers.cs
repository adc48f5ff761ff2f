using System.Buffers.Text;
using System.Text;

namespace Millrace.Redis.Client.Protocol;

/// <summary>The numbers of the protocol, read strictly.</summary>
internal static class RespNumbers
{
    private const int ShownBytes = 20;

    public static long ParseInteger(ReadOnlySpan<byte> text) =>
        Utf8Parser.TryParse(text, out long value, out var used) && used == text.Length ? value : throw new RespException($"'{Show(text)}' is no integer.");

    /// <summary>A length or a count; -1 for null.</summary>
    public static long ParseLength(ReadOnlySpan<byte> text)
    {
        if (text.SequenceEqual("?"u8))
        {
            throw new RespException("A streamed reply, which this client has not asked for.");
        }

        // The common case: few digits.
        if (text.Length is > 0 and < 10)
        {
            var length = 0L;
            foreach (var digit in text)
            {
                if (!char.IsAsciiDigit((char)digit))
                {
                    length = -1;
                    break;
                }

                length = (length * 10) + digit - '0';
            }

            if (length >= 0)
            {
                return length;
            }
        }

        var value = ParseInteger(text);
        return value >= -1 ? value : throw new RespException($"'{Show(text)}' is no length.");
    }

    public static bool IsDouble(ReadOnlySpan<byte> text) =>
        text.SequenceEqual("inf"u8) || text.SequenceEqual("-inf"u8) || text.SequenceEqual("nan"u8) || text.SequenceEqual("-nan"u8)
        || (Utf8Parser.TryParse(text, out double _, out var used) && used == text.Length);

    public static bool IsBigNumber(ReadOnlySpan<byte> text)
    {
        var digits = text is [(byte)'-' or (byte)'+', ..] ? text[1..] : text;
        return !digits.IsEmpty && !digits.ContainsAnyExceptInRange((byte)'0', (byte)'9');
    }

    /// <summary>The beginning of what was sent, fit for an error.</summary>
    public static string Show(ReadOnlySpan<byte> text)
    {
        var shown = new StringBuilder();
        foreach (var value in text[..Math.Min(text.Length, ShownBytes)])
        {
            shown.Append(value is >= 0x20 and < 0x7F ? (char)value : '?');
        }

        return shown.Append(text.Length > ShownBytes ? "…" : "").ToString();
    }
}
