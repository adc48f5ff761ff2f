using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace Millrace.Server.Hosting;

/// <summary>
/// A socket that listens in the file system: whatever a client calls itself, it is accepted, and only the owner of the process, and root, may connect. Disposing removes its file.
/// </summary>
internal sealed class SocketFile : Socket
{
    /// <summary>What its file allows: to connect takes the right to write.</summary>
    public const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _path;
    private int _bound;

    private SocketFile(string path)
        : base(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) => _path = path;

    /// <summary>Makes the socket of a listener, which does not listen yet; what is no file is left to the framework.</summary>
    /// <exception cref="SocketException">It cannot be bound there.</exception>
    /// <exception cref="IOException">Its file cannot be closed to others.</exception>
    public static Socket At(EndPoint place)
    {
        // On Windows the framework accepts in another way, and files have other rights.
        if (place is not UnixDomainSocketEndPoint file || OperatingSystem.IsWindows())
        {
            return SocketTransportOptions.CreateDefaultBoundListenSocket(place);
        }

        var socket = new SocketFile(Path.GetFullPath(file.ToString()));
        try
        {
            socket.Bind(new SocketFileEndPoint(file));
            socket._bound = 1;

            // In time: nobody can connect before it listens.
            File.SetUnixFileMode(socket._path, Mode);
            return socket;
        }
        catch (Exception exception)
        {
            socket.Dispose();
            if (exception is UnauthorizedAccessException)
            {
                throw new IOException(exception.Message, exception);
            }

            throw;
        }
    }

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);

        // Once, for the next one at the path is another's; and none that it has not made itself.
        if (!disposing || Interlocked.Exchange(ref _bound, 0) == 0)
        {
            return;
        }

        try
        {
            File.Delete(_path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Its folder is gone or may not be changed any more, and a listener ends all the same.
        }
    }
}
