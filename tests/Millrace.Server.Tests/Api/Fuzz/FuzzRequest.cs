using System.Text;
using Millrace.Server.Tests.Api.Description;

namespace Millrace.Server.Tests.Api.Fuzz;

/// <summary>A request as it goes over the wire.</summary>
internal sealed class FuzzRequest
{
    public required string Method { get; set; }

    public required string Target { get; set; }

    public List<(string Name, string Value)> Headers { get; } = [];

    public byte[]? Body { get; set; }

    /// <summary>The operation that it asks for; null when nobody can tell.</summary>
    public DescribedOperation? Operation { get; set; }

    /// <summary>What was done to it.</summary>
    public string What { get; set; } = "";

    /// <summary>Whether the server may refuse it before there is a request, with an answer that has no body.</summary>
    public bool MayBeBare { get; set; }

    /// <summary>Whether its length is not what it says, or it is no request at all: one side must close.</summary>
    public bool IsBroken { get; set; }

    /// <summary>How many bytes of it are sent before its client goes away; null for all.</summary>
    public int? Cut { get; set; }

    /// <summary>The bytes of a request that is none.</summary>
    public byte[]? Garbage { get; set; }

    public bool IsHead => Method == "HEAD";

    public byte[] ToBytes()
    {
        if (Garbage is not null)
        {
            return Garbage;
        }

        var head = new StringBuilder($"{Method} {Target} HTTP/1.1\r\nHost: x\r\n");
        foreach (var (name, value) in Headers)
        {
            head.Append(name).Append(": ").Append(value).Append("\r\n");
        }

        if (Body is not null)
        {
            head.Append("Content-Length: ").Append(Body.Length).Append("\r\n");
        }

        return [.. Encoding.Latin1.GetBytes(head.Append("\r\n").ToString()), .. Body ?? []];
    }

    /// <summary>What it takes to send it again.</summary>
    public string Replay()
    {
        var bytes = ToBytes();
        var sent = Cut is { } cut ? bytes.AsSpan(0, cut) : bytes;
        return $"{What}; {sent.Length} bytes{(Cut is null ? "" : ", then the client is gone")}: echo {Convert.ToBase64String(sent)} | base64 -d | nc HOST PORT";
    }
}
