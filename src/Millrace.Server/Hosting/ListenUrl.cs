using System.Net;
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
            { Scheme: "https" } => $"The URL '{url}' needs a certificate, which this server cannot be given. Listen on http://.",
            { Scheme: not "http" } => $"The URL '{url}' has the scheme '{address.Scheme}'; allowed is http, {Example}.",
            { Port: < 0 or > 65535 } => $"The URL '{url}' has the port {address.Port}; allowed are 0 (any free one) to 65535.",
            _ when !IsLocal(address) => $"The URL '{url}' can be reached from other machines, and there are no users. Listen on loopback only, {Example}.",
            _ => null,
        };
    }

    /// <summary>Whether only processes of this machine can reach the URL: loopback, or a socket in the file system.</summary>
    public static bool IsLocal(string url) => TryParse(url, out var address) && IsLocal(address);

    private static bool IsLocal(BindingAddress address) =>
        address.IsUnixPipe
        || address.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(address.Host.Trim('[', ']'), out var ip) && IPAddress.IsLoopback(ip));

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
