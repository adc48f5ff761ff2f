using System.Text;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>A frame of the broker as it came over the socket, its headers unescaped by the version.</summary>
internal sealed class WireFrame(string command, IReadOnlyList<KeyValuePair<string, string>> headers, byte[] body)
{
    public string Command => command;

    public IReadOnlyList<KeyValuePair<string, string>> Headers => headers;

    public byte[] Body => body;

    public string Text => Encoding.UTF8.GetString(body);

    /// <summary>The value of a header; null when there is none. The first of two with one name stands.</summary>
    public string? this[string name] => headers.FirstOrDefault(header => header.Key == name).Value;

    public override string ToString() => $"{command}\n{string.Join('\n', headers.Select(header => $"{header.Key}:{header.Value}"))}\n\n{Text}";
}
