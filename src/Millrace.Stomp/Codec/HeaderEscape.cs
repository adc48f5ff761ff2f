using System.Buffers;
using System.Text;

namespace Millrace.Stomp.Codec;

/// <summary>The escapes of header names and values: none in 1.0; <c>\\</c>, <c>\n</c>, <c>\c</c> in 1.1; <c>\r</c> too in 1.2.</summary>
internal static class HeaderEscape
{
    private static readonly SearchValues<byte> Escaped11 = SearchValues.Create("\\\n:\0"u8);
    private static readonly SearchValues<byte> Escaped12 = SearchValues.Create("\\\n:\r\0"u8);
    private static readonly SearchValues<byte> Unwritable10 = SearchValues.Create("\n\0"u8);

    /// <summary>The first escape that the version does not know, as text; null when all are right. Before a version is agreed on, those of all versions are known.</summary>
    public static string? FindUnknown(ReadOnlySpan<byte> raw, StompVersion version)
    {
        while (raw.IndexOf((byte)'\\') is var at && at >= 0)
        {
            if (at + 1 == raw.Length)
            {
                return "\\";
            }

            var letter = raw[at + 1];
            if (letter is not ((byte)'\\' or (byte)'n' or (byte)'c') && !(letter == 'r' && version != StompVersion.V11))
            {
                return letter is > 0x20 and < 0x7f ? $"\\{(char)letter}" : $"\\ followed by byte {letter}";
            }

            raw = raw[(at + 2)..];
        }

        return null;
    }

    /// <summary>The bytes that were escaped. Every escape must be a known one.</summary>
    public static byte[] Remove(ReadOnlySpan<byte> raw)
    {
        var bytes = new byte[raw.Length];
        var length = 0;
        for (var i = 0; i < raw.Length; i++)
        {
            bytes[length++] = raw[i] != '\\' ? raw[i] : raw[++i] switch
            {
                (byte)'n' => (byte)'\n',
                (byte)'c' => (byte)':',
                (byte)'r' => (byte)'\r',
                _ => (byte)'\\',
            };
        }

        return bytes[..length];
    }

    /// <summary>A value as it was written, unescaped where the version has escapes and all of its are known.</summary>
    public static string? Unescaped(string? raw, StompVersion version)
    {
        if (raw is null || version is StompVersion.None or StompVersion.V10)
        {
            return raw;
        }

        var bytes = Encoding.UTF8.GetBytes(raw);
        return FindUnknown(bytes, version) is null ? Encoding.UTF8.GetString(Remove(bytes)) : raw;
    }

    /// <summary>Whether bytes can be written as they are.</summary>
    public static bool IsPlain(ReadOnlySpan<byte> text, StompVersion version) => version switch
    {
        StompVersion.V10 => !text.ContainsAny(Unwritable10),
        StompVersion.V11 => !text.ContainsAny(Escaped11),
        _ => !text.ContainsAny(Escaped12),
    };

    /// <summary>
    /// Writes bytes escaped. What has no escape becomes a blank: in 1.0 a line feed, in all versions a NUL, which would end the frame for most readers. Returns how many bytes;
    /// <paramref name="into"/> has room for twice the text.
    /// </summary>
    public static int Write(ReadOnlySpan<byte> text, StompVersion version, Span<byte> into)
    {
        var length = 0;
        foreach (var b in text)
        {
            var letter = version == StompVersion.V10 ? (byte)0 : b switch
            {
                (byte)'\\' => (byte)'\\',
                (byte)'\n' => (byte)'n',
                (byte)':' => (byte)'c',
                (byte)'\r' when version == StompVersion.V12 => (byte)'r',
                _ => (byte)0,
            };
            if (letter != 0)
            {
                into[length++] = (byte)'\\';
                into[length++] = letter;
            }
            else
            {
                into[length++] = b is (byte)'\n' or 0 ? (byte)' ' : b;
            }
        }

        return length;
    }
}
