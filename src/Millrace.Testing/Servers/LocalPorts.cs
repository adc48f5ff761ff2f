using System.Net;
using System.Net.Sockets;

namespace Millrace.Testing.Servers;

/// <summary>
/// Ports of loopback addresses for servers that tests start. They lie below those that the system gives to outgoing connections, so that nobody takes one by chance while its
/// server is being restarted.
/// </summary>
internal static class LocalPorts
{
    private const int First = 15_000;
    private const int Next = 32_000;

    /// <summary>A port that nobody listens on. Another process may take it before the server does: then the server says so and is started on another one.</summary>
    public static int Find(string address)
    {
        var loopback = IPAddress.Parse(address);
        while (true)
        {
            var port = Random.Shared.Next(First, Next);
            using var socket = new Socket(loopback.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.Bind(new IPEndPoint(loopback, port));
                return port;
            }
            catch (SocketException fault) when (fault.SocketErrorCode is SocketError.AddressAlreadyInUse or SocketError.AccessDenied)
            {
                // Taken: the next.
            }
        }
    }
}
