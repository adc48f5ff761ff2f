using System.Net.Sockets;
using System.Text;
using Millrace.App.Serving;
using Xunit;

namespace Millrace.Cli.Tests;

/// <summary>What a service manager hears, on sockets as it has them.</summary>
public sealed class ServiceNotifierTests
{
    [Theory]
    [InlineData("/")]
    [InlineData("@")]
    public async Task AServiceManager_HearsOfReadinessAndOfTheStop(string kind)
    {
        var name = $"millrace-{Guid.NewGuid():N}";
        var path = kind == "@" ? "@" + name : Path.Combine(Path.GetTempPath(), name);
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(kind == "@" ? "\0" + name : path));
        var notifier = new ServiceNotifier(path);

        Assert.Null(notifier.Ready("Listening"));
        Assert.Null(notifier.Stopping());

        Assert.Equal("READY=1\nSTATUS=Listening\n", await ReceiveAsync(manager));
        Assert.Equal("STOPPING=1\nSTATUS=Stopping\n", await ReceiveAsync(manager));
        File.Delete(path);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public void WithoutASocket_NobodyIsTold(string? path) => Assert.Null(new ServiceNotifier(path).Ready("x"));

    [Theory]
    [InlineData("/nowhere/at/all")]
    [InlineData("@nobody-listens-here")]
    public void ASocketThatIsNotThere_IsSaid_AndNoFailure(string path) =>
        Assert.Contains($"NOTIFY_SOCKET '{path}'", new ServiceNotifier(path).Ready("x"), StringComparison.Ordinal);

    private static async Task<string> ReceiveAsync(Socket socket)
    {
        var buffer = new byte[1000];
        var count = await socket.ReceiveAsync(buffer, TestContext.Current.CancellationToken);
        return Encoding.UTF8.GetString(buffer, 0, count);
    }
}
