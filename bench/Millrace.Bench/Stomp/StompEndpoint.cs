using System.Net;

namespace Millrace.Bench.Stomp;

/// <summary>Where a broker listens, and who the generator says to be.</summary>
internal sealed record StompEndpoint(EndPoint Address, string Login, string Passcode)
{
    private const int DefaultPort = 61613;

    /// <summary>A broker on this machine, as guest, whom every broker of the area lets in from here.</summary>
    public static StompEndpoint Loopback(int port) => new(new IPEndPoint(IPAddress.Loopback, port), "guest", "guest");

    /// <summary>Reads what <c>--target</c> and our own server say: <c>stomp://[login:passcode@]host[:port]</c>.</summary>
    public static StompEndpoint? TryParse(string text)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme != "stomp" || url.Host.Length == 0 || url.PathAndQuery.Trim('/').Length > 0)
        {
            return null;
        }

        var user = url.UserInfo.Split(':', 2);
        var port = url.Port > 0 ? url.Port : DefaultPort;
        EndPoint address = IPAddress.TryParse(url.Host, out var ip) ? new IPEndPoint(ip, port) : new DnsEndPoint(url.Host, port);
        return url.UserInfo.Length == 0
            ? new StompEndpoint(address, "guest", "guest")
            : new StompEndpoint(address, Uri.UnescapeDataString(user[0]), user.Length > 1 ? Uri.UnescapeDataString(user[1]) : "");
    }

    // A record would print the passcode.
    public override string ToString() => Address is DnsEndPoint name ? $"{name.Host}:{name.Port}" : Address.ToString()!;
}
