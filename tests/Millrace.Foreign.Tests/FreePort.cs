using System.Net;
using System.Net.Sockets;

namespace Millrace.Foreign.Tests;

/// <summary>A port for a server that is to have the same one when it is started again.</summary>
internal static class FreePort
{
    public static int Find()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
