using System.Net.Sockets;
using System.Text;

namespace Millrace.App.Serving;

/// <summary>Tells systemd, or whatever else listens on <c>NOTIFY_SOCKET</c>, how far the service is: the protocol of sd_notify(3). Does nothing without that variable.</summary>
internal sealed class ServiceNotifier(string? socketPath)
{
    public const string SocketVariable = "NOTIFY_SOCKET";

    /// <summary>The service takes requests.</summary>
    public string? Ready(string status) => Send($"READY=1\nSTATUS={status}\n");

    /// <summary>The service has begun to stop.</summary>
    public string? Stopping() => Send("STOPPING=1\nSTATUS=Stopping\n");

    /// <summary>Sends a datagram; returns what failed, as a notice that got lost is no reason not to serve.</summary>
    private string? Send(string message)
    {
        if (string.IsNullOrEmpty(socketPath))
        {
            return null;
        }

        try
        {
            // A path that begins with '@' is a name in the abstract namespace, which the system spells with a zero byte.
            var endpoint = new UnixDomainSocketEndPoint(socketPath[0] == '@' ? "\0" + socketPath[1..] : socketPath);
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            socket.SendTo(Encoding.UTF8.GetBytes(message), endpoint);
            return null;
        }
        catch (Exception exception) when (exception is SocketException or ArgumentException)
        {
            return $"The service manager could not be told through {SocketVariable} '{socketPath}': {exception.Message}";
        }
    }
}
