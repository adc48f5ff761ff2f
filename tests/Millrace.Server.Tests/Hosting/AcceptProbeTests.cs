using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Millrace.Server.Hosting;
using Xunit;

namespace Millrace.Server.Tests.Hosting;

/// <summary>Whether a listener accepts, tried on sockets that do and that do not.</summary>
public sealed class AcceptProbeTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    [InlineData("0.0.0.0")]
    [InlineData("::")]
    public async Task AConnection_IsMet_AndThoseOfOthersGoOn(string address)
    {
        using var listener = Listen(address);
        var probe = new AcceptProbe(() => listener.LocalEndPoint!);
        var others = 0;
        var serve = probe.Before(_ =>
        {
            others++;
            return Task.CompletedTask;
        });

        using var other = new Socket(listener.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        await other.ConnectAsync(TargetOf(listener), Token);
        await AcceptAsync(listener, serve);
        var probing = probe.FindFaultAsync(Token);
        await AcceptAsync(listener, serve);

        Assert.Null(await probing.WaitAsync(TestScale.Patience, Token));
        Assert.Equal(1, others);
    }

    [Fact]
    public async Task AConnectionThatNobodyMeets_WaitsUntilTheEnd()
    {
        using var listener = Listen("127.0.0.1");
        using var deadline = new CancellationTokenSource();
        var probing = new AcceptProbe(() => listener.LocalEndPoint!).FindFaultAsync(deadline.Token);
        using var accepted = await listener.AcceptAsync(Token);
        Assert.False(probing.IsCompleted);

        await deadline.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => probing.WaitAsync(TestScale.Patience, Token));
    }

    [Fact]
    public async Task AListenerThatIsClosed_IsRefused()
    {
        EndPoint closed;
        using (var listener = Listen("127.0.0.1"))
        {
            closed = listener.LocalEndPoint!;
        }

        Assert.Equal("Connection refused", await new AcceptProbe(() => closed).FindFaultAsync(Token).WaitAsync(TestScale.Patience, Token));
    }

    [Fact]
    public async Task ASocketInTheFileSystem_IsAskedForItsFile_AndNothingIsConnected()
    {
        var path = Path.Combine(Path.GetTempPath(), $"millrace-{Guid.NewGuid():N}.sock");
        var place = new UnixDomainSocketEndPoint(path);
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(place);
        listener.Listen();
        var probe = new AcceptProbe(() => place);

        Assert.Null(await probe.FindFaultAsync(Token));
        Assert.False(listener.Poll(0, SelectMode.SelectRead));
        File.Delete(path);
        Assert.Equal("its file is not there any more", await probe.FindFaultAsync(Token));
    }

    private static Socket Listen(string address)
    {
        var place = new IPEndPoint(IPAddress.Parse(address), 0);
        var listener = new Socket(place.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        if (address == "::")
        {
            listener.DualMode = true;
        }

        listener.Bind(place);
        listener.Listen();
        return listener;
    }

    private static EndPoint TargetOf(Socket listener) => listener.LocalEndPoint switch
    {
        IPEndPoint { Address: var address } ip when address.Equals(IPAddress.Any) => new IPEndPoint(IPAddress.Loopback, ip.Port),
        IPEndPoint { Address: var address } ip when address.Equals(IPAddress.IPv6Any) => new IPEndPoint(IPAddress.IPv6Loopback, ip.Port),
        var target => target!,
    };

    private static async Task AcceptAsync(Socket listener, ConnectionDelegate serve)
    {
        using var accepted = await listener.AcceptAsync(Token);
        await using var connection = new DefaultConnectionContext { RemoteEndPoint = accepted.RemoteEndPoint };
        await serve(connection);
    }
}
