using System.Text;
using Microsoft.AspNetCore.Http;

namespace Millrace.Server.Hosting;

/// <summary>What a URL to listen on must be.</summary>
internal static class ListenUrl
{
    public const string Http = "http";
    public const string Https = "https";
    public const string Stomp = "stomp";
    public const string Stomps = "stomps";

    /// <summary>A URL that every node without users may listen on.</summary>
    public const string HttpExample = "http://127.0.0.1:7070";

    /// <summary>As <see cref="HttpExample"/>, for STOMP.</summary>
    public const string StompExample = "stomp://127.0.0.1:61613";

    // What the framework takes where a URL names none, but for those of HTTP.
    private const int PortOfNone = 0;

    /// <summary>Why nobody can listen on the URL for HTTP; null when it can be tried.</summary>
    public static string? FindFault(string url) => FindFault(url, Http, Https, HttpExample);

    /// <summary>Why nobody can listen on the URL for STOMP; null when it can be tried.</summary>
    public static string? FindStompFault(string url) => FindFault(url, Stomp, Stomps, StompExample)
        ?? (Parse(url) is { IsUnixPipe: false, Port: PortOfNone } && !url.TrimEnd('/').EndsWith($":{PortOfNone}", StringComparison.Ordinal)
            ? $"The URL '{url}' has no port, such as {StompExample}."
            : null);

    /// <summary>Whether what goes over the address is encrypted.</summary>
    public static bool IsEncrypted(BindingAddress address) => address.Scheme.ToLowerInvariant() is Https or Stomps;

    /// <summary>Whether the address is one of STOMP.</summary>
    public static bool IsStomp(BindingAddress address) => address.Scheme.ToLowerInvariant() is Stomp or Stomps;

    /// <summary>Takes a URL apart.</summary>
    /// <exception cref="MillraceConfigurationException">It is none.</exception>
    public static BindingAddress Parse(string url)
    {
        try
        {
            return BindingAddress.Parse(url);
        }
        catch (FormatException exception)
        {
            throw new MillraceConfigurationException($"'{url}' is no address to listen on, such as {HttpExample}.", exception);
        }
    }

    private static string? FindFault(string url, string scheme, string encrypted, string example)
    {
        if (!TryParse(url, out var address))
        {
            return $"'{url}' is no URL to listen on: it must have a scheme, a host and a port, such as {example}.";
        }

        return address switch
        {
            { PathBase.Length: > 0 } => $"The URL '{url}' has a path; a server listens on a host and a port, such as {example}.",
            _ when address.Scheme != scheme && address.Scheme != encrypted =>
                $"The URL '{url}' has the scheme '{address.Scheme}'; allowed are {scheme} and {encrypted}, such as {example}.",
            { IsUnixPipe: true } when Encoding.UTF8.GetByteCount(address.UnixPipePath) is var bytes && bytes > SocketFileEndPoint.MaxPathBytes =>
                $"The path of the URL '{url}' has {bytes} bytes; a socket in the file system may have {SocketFileEndPoint.MaxPathBytes} on this system.",
            { Port: < 0 or > 65535 } => $"The URL '{url}' has the port {address.Port}; allowed are 0 (any free one) to 65535.",
            _ => null,
        };
    }

    private static bool TryParse(string url, out BindingAddress address)
    {
        try
        {
            address = BindingAddress.Parse(url);
            return address.Host.Length > 0 && (address.IsUnixPipe || address.Host.StartsWith('[') || !address.Host.Contains(':', StringComparison.Ordinal));
        }
        catch (FormatException)
        {
            address = null!;
            return false;
        }
    }
}
