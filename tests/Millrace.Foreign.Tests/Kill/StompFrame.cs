namespace Millrace.Foreign.Tests.Kill;

/// <summary>A frame that came from a broker.</summary>
internal sealed record StompFrame(string Command, IReadOnlyDictionary<string, string> Headers, string Body)
{
    public string this[string header] => Headers[header];

    public bool IsRedelivered => Headers.ContainsKey("redelivered");
}
