using Microsoft.AspNetCore.Http;

namespace Millrace.Server.Hosting;

/// <summary>What a URL to listen on must be.</summary>
internal static class ListenUrl
{
    private const string Example = "such as http://127.0.0.1:7070";

    /// <summary>Why nobody can listen on the URL; null when it can be tried.</summary>
    public static string? FindFault(string url)
    {
        if (!TryParse(url, out var address))
        {
            return $"'{url}' is no URL to listen on: it must have a scheme, a host and a port, {Example}.";
        }

        return address switch
        {
            { PathBase.Length: > 0 } => $"The URL '{url}' has a path; a server listens on a host and a port, {Example}.",
            { Scheme: not ("http" or "https") } => $"The URL '{url}' has the scheme '{address.Scheme}'; allowed are http and https, {Example}.",
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
