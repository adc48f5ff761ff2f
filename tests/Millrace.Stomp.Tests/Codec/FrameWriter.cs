using System.Text;

namespace Millrace.Stomp.Tests.Codec;

/// <summary>Writes frames as a client of each version would. Shares nothing with the codec.</summary>
internal static class FrameWriter
{
    public static byte[] Write(StompVersion version, string command, IEnumerable<(string Name, string Value)> headers, byte[] body, string lineEnd = "\n", string after = "")
    {
        var isEscaped = version != StompVersion.V10 && command is not ("CONNECT" or "CONNECTED");
        var head = new StringBuilder(command).Append(lineEnd);
        foreach (var (name, value) in headers)
        {
            head.Append(isEscaped ? Escape(name, version) : name).Append(':').Append(isEscaped ? Escape(value, version) : value).Append(lineEnd);
        }

        return [.. Encoding.UTF8.GetBytes(head.Append(lineEnd).ToString()), .. body, 0, .. Encoding.UTF8.GetBytes(after)];
    }

    // The backslash first: the other escapes hold one.
    private static string Escape(string text, StompVersion version)
    {
        var escaped = text
            .Replace("\\", "\\\\", StringComparison.Ordinal)
            .Replace("\n", "\\n", StringComparison.Ordinal)
            .Replace(":", "\\c", StringComparison.Ordinal);
        return version == StompVersion.V11 ? escaped : escaped.Replace("\r", "\\r", StringComparison.Ordinal);
    }
}
