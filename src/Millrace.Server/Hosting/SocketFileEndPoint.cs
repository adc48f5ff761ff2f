using System.Net;
using System.Net.Sockets;

namespace Millrace.Server.Hosting;

/// <summary>Where a <see cref="SocketFile"/> is bound: as the framework's, with room for the name of any client.</summary>
/// <param name="file">The framework's.</param>
internal sealed class SocketFileEndPoint(UnixDomainSocketEndPoint file) : EndPoint
{
    // More than a name takes on any system. One may be a byte longer than the largest address: Linux counts the NUL that a path of full length has no room for.
    private const int Room = 256;

    // The family alone.
    private const int SizeOfNone = 2;

    /// <summary>The longest path, in UTF-8: the system's largest address without the family and the NUL at the end.</summary>
    public static int MaxPathBytes { get; } = new SocketAddress(AddressFamily.Unix).Size - SizeOfNone - 1;

    public override AddressFamily AddressFamily => AddressFamily.Unix;

    // Clients choose theirs, and logs and terminals show it: one with control characters counts as none.
    public override EndPoint Create(SocketAddress socketAddress)
    {
        var name = file.Create(socketAddress);
        return name.Equals(file) || !name.ToString()!.Any(char.IsControl) ? name : file.Create(new SocketAddress(AddressFamily.Unix, SizeOfNone));
    }

    // Of the framework's own the address is as long as the path, and the runtime copies the name of each client that it accepts into one of these: a longer name is an exception where nobody
    // can catch it, which ends the process. What follows the NUL after a path is no part of it, so a bind takes the larger one as well.
    public override SocketAddress Serialize()
    {
        var path = file.Serialize();
        var address = new SocketAddress(AddressFamily.Unix, Room);
        path.Buffer.Span[..path.Size].CopyTo(address.Buffer.Span);
        address.Size = new SocketAddress(AddressFamily.Unix).Size;
        return address;
    }

    public override string ToString() => file.ToString();
}
