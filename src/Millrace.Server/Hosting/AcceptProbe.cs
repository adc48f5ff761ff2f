using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace Millrace.Server.Hosting;

/// <summary>
/// Finds out whether a listener accepts connections: makes one, as a client would, and meets it behind the listener, where it ends. What serves the others never sees it, so it takes no
/// place under a limit and leaves nothing in a log. Safe for concurrent use.
/// </summary>
/// <param name="findListener">Where it listens, once it does.</param>
internal sealed class AcceptProbe(Func<EndPoint> findListener)
{
    // By where they come from, which nobody else can while the socket is bound.
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _coming = new(StringComparer.Ordinal);

    /// <summary>Puts the meeting place before what follows.</summary>
    public ConnectionDelegate Before(ConnectionDelegate next) => connection =>
        connection.RemoteEndPoint is { } source && _coming.TryGetValue(NameOf(source), out var met) && met.TrySetResult() ? Task.CompletedTask : next(connection);

    /// <summary>Returns when the listener has accepted a connection.</summary>
    /// <exception cref="SocketException">Nobody listens there, or this process can have no more sockets.</exception>
    public async Task ConnectAsync(CancellationToken cancellationToken)
    {
        if (FindWay(findListener()) is not var (source, target))
        {
            return;
        }

        using var socket = new Socket(target.AddressFamily, SocketType.Stream, target is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified);
        socket.Bind(source);
        var name = NameOf(socket.LocalEndPoint!);
        var met = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _coming[name] = met;
        try
        {
            await socket.ConnectAsync(target, cancellationToken).ConfigureAwait(false);
            await met.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _coming.TryRemove(name, out _);
        }
    }

    /// <summary>From where to where a connection goes; null where none could be told from those of others: named pipes, and sockets in the file system on systems without unnamed ones.</summary>
    private static (EndPoint Source, EndPoint Target)? FindWay(EndPoint listener) => listener switch
    {
        IPEndPoint ip => (new IPEndPoint(ReachableOf(ip.Address), 0), new IPEndPoint(ReachableOf(ip.Address), ip.Port)),
        UnixDomainSocketEndPoint when OperatingSystem.IsLinux() => (new UnixDomainSocketEndPoint($"\0millrace-{Guid.NewGuid():N}"), listener),
        _ => null,
    };

    private static IPAddress ReachableOf(IPAddress address) =>
        address.Equals(IPAddress.Any) ? IPAddress.Loopback
        : address.Equals(IPAddress.IPv6Any) ? IPAddress.IPv6Loopback
        : address;

    private static string NameOf(EndPoint source) =>
        source is IPEndPoint { Address.IsIPv4MappedToIPv6: true } mapped ? new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port).ToString() : source.ToString() ?? "";
}
