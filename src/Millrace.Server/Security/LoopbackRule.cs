using System.Net;
using Microsoft.AspNetCore.Http;
using Millrace.Server.Hosting;

namespace Millrace.Server.Security;

/// <summary>A server without users listens where only this machine can reach it.</summary>
internal static class LoopbackRule
{
    /// <summary>Throws if strangers could reach a server that lets everybody do everything.</summary>
    /// <param name="urls">Where the server is to listen.</param>
    /// <param name="hasUsers">Whether it has a users file.</param>
    /// <exception cref="MillraceConfigurationException">Names the address, and what to do.</exception>
    public static void Require(IEnumerable<string> urls, bool hasUsers)
    {
        foreach (var url in urls)
        {
            if (FindFault(url, hasUsers) is { } fault)
            {
                throw new MillraceConfigurationException(fault);
            }
        }
    }

    /// <summary>Why a server must not listen on an address; null when it may.</summary>
    public static string? FindFault(string url, bool hasUsers)
    {
        var address = ListenUrl.Parse(url);
        return IsLoopback(address) || hasUsers
            ? null
            : $"The server has no users, so that everybody who reaches it could do everything, and it was told to listen on {url}, which others can reach. "
                + "Make a first user with 'millrace user add NAME --role admin', or listen on this machine only, such as on "
                + $"{(ListenUrl.IsStomp(address) ? ListenUrl.StompExample : ListenUrl.HttpExample)}.";
    }

    /// <summary>The addresses at which passwords would cross a network unencrypted.</summary>
    public static IEnumerable<string> PlainTextOf(IEnumerable<string> urls) =>
        urls.Where(url => ListenUrl.Parse(url) is var address && !IsLoopback(address) && !ListenUrl.IsEncrypted(address));

    /// <summary>Whether a host is this machine, by its name or address.</summary>
    public static bool IsLoopbackHost(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));

    // The framework listens on every interface where the host is a name that it does not know, so only what is certain counts.
    private static bool IsLoopback(BindingAddress address) => address.IsUnixPipe || address.IsNamedPipe || IsLoopbackHost(address.Host);
}
