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
    private readonly ConcurrentDictionary<IPEndPoint, TaskCompletionSource> _coming = new();

    /// <summary>Puts the meeting place before what follows.</summary>
    public ConnectionDelegate Before(ConnectionDelegate next) => connection =>
        connection.RemoteEndPoint is IPEndPoint source && _coming.TryGetValue(Plain(source), out var met) && met.TrySetResult() ? Task.CompletedTask : next(connection);

    /// <summary>Why the listener accepts nobody; null when it does. Of a socket in the file system only whether its file is there; named pipes are taken at their word.</summary>
    public Task<string?> FindFaultAsync(CancellationToken cancellationToken)
    {
        // No connection to a file: it could be told from those of others by a name of its own only, and not every system lets a client have one that leaves no file behind.
        var listener = findListener();
        return listener switch
        {
            IPEndPoint ip => FindFaultAsync(new IPEndPoint(ReachableOf(ip.Address), ip.Port), cancellationToken),
            UnixDomainSocketEndPoint file when !File.Exists(file.ToString()) => Task.FromResult<string?>("its file is not there any more"),
            _ => Task.FromResult<string?>(null),
        };
    }

    private async Task<string?> FindFaultAsync(IPEndPoint target, CancellationToken cancellationToken)
    {
        IPEndPoint? source = null;
        try
        {
            using var socket = new Socket(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(target.Address, 0));
            source = (IPEndPoint)socket.LocalEndPoint!;
            var met = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _coming[source] = met;
            await socket.ConnectAsync(target, cancellationToken).ConfigureAwait(false);
            await met.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (SocketException exception)
        {
            return exception.Message;
        }
        finally
        {
            if (source is not null)
            {
                _coming.TryRemove(source, out _);
            }
        }
    }

    private static IPAddress ReachableOf(IPAddress address) =>
        address.Equals(IPAddress.Any) ? IPAddress.Loopback
        : address.Equals(IPAddress.IPv6Any) ? IPAddress.IPv6Loopback
        : address;

    private static IPEndPoint Plain(IPEndPoint source) => source.Address.IsIPv4MappedToIPv6 ? new IPEndPoint(source.Address.MapToIPv4(), source.Port) : source;
}
