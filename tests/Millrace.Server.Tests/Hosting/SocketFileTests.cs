using System.Net;
using System.Net.Sockets;
using Millrace.Server.Hosting;
using Xunit;

namespace Millrace.Server.Tests.Hosting;

/// <summary>What a socket file is to those who listen and connect. That no name of a client ends a node is tried on real ones, with the command line.</summary>
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class SocketFileTests : IDisposable
{
    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("millrace-");

    private string File => Path.Combine(_folder.FullName, "s");

    public void Dispose()
    {
        if (_folder.Exists)
        {
            _folder.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData("s")]
    [InlineData("größer")]
    [InlineData("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")]
    public async Task AListener_IsAtItsPath_OpenToItsOwnerAlone(string name)
    {
        var path = Path.Combine(_folder.FullName, name);
        using var listener = Listen(path);

        Assert.Equal(new UnixDomainSocketEndPoint(path), listener.LocalEndPoint);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(path));
        using var client = await ConnectAsync(path);
        using var accepted = await listener.AcceptAsync(Token);
        Assert.Equal(new UnixDomainSocketEndPoint(path), accepted.LocalEndPoint);
        Assert.Equal("", accepted.RemoteEndPoint!.ToString());
        await client.SendAsync("x"u8.ToArray(), Token);
        Assert.Equal(1, await accepted.ReceiveAsync(new byte[2], Token));
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("\0worker ", "@worker ")]
    [InlineData("\0worker\n", "")]
    [InlineData("\0\u001b[2J", "")]
    public async Task AClient_IsCalledWhatItCallsItself_UnlessThatIsUnfitToShow(string name, string shown)
    {
        // No two sockets may have one name.
        var own = $"{Guid.NewGuid():N}";
        using var listener = Listen(File);
        using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        if (name.Length > 0)
        {
            client.Bind(new UnixDomainSocketEndPoint(name + own));
        }

        await client.ConnectAsync(new UnixDomainSocketEndPoint(File), Token);
        using var accepted = await listener.AcceptAsync(Token);

        Assert.Equal(shown.Length > 0 ? shown + own : "", accepted.RemoteEndPoint!.ToString());
    }

    [Fact]
    public async Task TheEndOfAConnection_LeavesTheFile_AndThatOfTheListenerRemovesIt()
    {
        var listener = Listen(File);
        using (await ConnectAsync(File))
        {
            (await listener.AcceptAsync(Token)).Dispose();
        }

        Assert.True(System.IO.File.Exists(File));
        listener.Dispose();
        Assert.False(System.IO.File.Exists(File));
    }

    [Fact]
    public async Task AListenerThatIsClosedAgain_LeavesTheFileOfTheNextOne()
    {
        var first = Listen(File);
        first.Dispose();
        using var second = Listen(File);
        first.Dispose();

        using var client = await ConnectAsync(File);
    }

    [Fact]
    public async Task APathThatIsTaken_IsRefused_AndStaysWithWhoHasIt()
    {
        using var first = Listen(File);

        var fault = Assert.Throws<SocketException>(() => SocketFile.At(new UnixDomainSocketEndPoint(File)));

        Assert.Equal(SocketError.AddressAlreadyInUse, fault.SocketErrorCode);
        using var client = await ConnectAsync(File);
    }

    [Fact]
    public void AFolderThatIsGone_KeepsNoListenerFromItsEnd()
    {
        var listener = Listen(File);
        _folder.Delete(recursive: true);

        listener.Dispose();
    }

    [Fact]
    public async Task AServer_OnAPathThatIsTaken_SaysThatTheFileMayBeLeftOver()
    {
        await System.IO.File.WriteAllTextAsync(File, "", Token);

        var fault = await Assert.ThrowsAsync<MillraceConfigurationException>(() => RunningServer.StartAsync(options => options.Urls.Add($"http://unix:{File}")));

        Assert.Equal(
            $"Cannot listen on http://unix:{File}: address already in use. End the program that has the address, or choose another one; where no program has it, "
            + "a node that was killed has left the file: remove it.",
            fault.Message);
        Assert.True(System.IO.File.Exists(File));
    }

    [Fact]
    public async Task AServer_OnAPathLongerThanTheSystemAllows_IsRefused_AndListensOnTheLongest()
    {
        var longest = (_folder.FullName + "/").PadRight(SocketFileEndPoint.MaxPathBytes, 'x');

        var fault = await Assert.ThrowsAsync<MillraceConfigurationException>(() => RunningServer.StartAsync(options => options.Urls.Add($"http://unix:{longest}x")));
        await using var server = await RunningServer.StartAsync(options => options.Urls.Add($"http://unix:{longest}"));

        Assert.Equal(
            $"The path of the URL 'http://unix:{longest}x' has {SocketFileEndPoint.MaxPathBytes + 1} bytes; a socket in the file system may have {SocketFileEndPoint.MaxPathBytes} on this system.",
            fault.Message);
        using var client = await ConnectAsync(longest);
    }

    [Fact]
    public async Task AnAddressOfTheNetwork_IsTheFrameworks()
    {
        using var listener = SocketFile.At(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();

        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listener.LocalEndPoint!, Token);
        using var accepted = await listener.AcceptAsync(Token);
        Assert.Equal(client.LocalEndPoint, accepted.RemoteEndPoint);
    }

    private static Socket Listen(string path)
    {
        var listener = SocketFile.At(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        return listener;
    }

    private static async Task<Socket> ConnectAsync(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), Token);
        return socket;
    }
}
