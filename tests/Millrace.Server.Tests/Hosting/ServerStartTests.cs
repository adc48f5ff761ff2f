using System.Net;
using Xunit;

namespace Millrace.Server.Tests.Hosting;

public sealed class ServerStartTests
{
    [Fact]
    public async Task Server_OnAFreePort_TellsItsAddress()
    {
        await using var server = await RunningServer.StartAsync();

        Assert.DoesNotContain(":0", server.Server.Addresses[0] + "/", StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_OnABusyPort_NamesTheAddressAndWhatToDo()
    {
        await using var first = await RunningServer.StartAsync();
        var address = first.Server.Addresses[0];

        var fault = await Assert.ThrowsAsync<MillraceConfigurationException>(() => RunningServer.StartAsync(options => options.Urls[0] = address));

        Assert.Contains(address, fault.Message, StringComparison.Ordinal);
        Assert.Contains("already in use", fault.Message, StringComparison.Ordinal);
        Assert.Contains("choose another one", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nonsense", "is no URL to listen on")]
    [InlineData("http://127.0.0.1:80x", "is no URL to listen on")]
    [InlineData("http://", "is no URL to listen on")]
    [InlineData("http://127.0.0.1:70000", "port 70000")]
    [InlineData("http://127.0.0.1:0/api", "has a path")]
    [InlineData("ftp://127.0.0.1:0", "has the scheme 'ftp'")]
    [InlineData("https://127.0.0.1:0", "has no certificate")]
    [InlineData("http://0.0.0.0:0", "has no users")]
    [InlineData("http://*:0", "has no users")]
    [InlineData("http://[::]:0", "has no users")]
    [InlineData("http://192.0.2.1:0", "has no users")]
    [InlineData("http://localhost.example.net:0", "has no users")]
    public async Task Server_WithAUrlThatCannotBe_IsRefused(string url, string reason)
    {
        var fault = await Assert.ThrowsAsync<MillraceConfigurationException>(() => RunningServer.StartAsync(options => options.Urls[0] = url));

        Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_OnASocketInTheFileSystem_Answers()
    {
        var path = Path.Combine(Path.GetTempPath(), $"millrace-{Guid.NewGuid():N}.sock");
        await using var server = await MillraceServer.StartAsync(WithUrl($"http://unix:{path}"), TestContext.Current.CancellationToken);
        using var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
                await socket.ConnectAsync(new System.Net.Sockets.UnixDomainSocketEndPoint(path), cancellationToken);
                return new System.Net.Sockets.NetworkStream(socket, ownsSocket: true);
            },
        };
        using var http = new HttpClient(handler);

        using var response = await http.GetAsync(new Uri("http://local/health/live"), TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task Server_WithAnOptionalInstanceThatIsNotThere_IsRefused()
    {
        var fault = await Assert.ThrowsAsync<MillraceConfigurationException>(() => RunningServer.StartAsync(options => options.OptionalInstances.Add("orders")));

        Assert.Contains("'orders' is not configured", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_WithAnOptionOutOfRange_IsRefused()
    {
        var fault = await Assert.ThrowsAsync<MillraceConfigurationException>(() => RunningServer.StartAsync(options => options.MaxConnections = 0));

        Assert.Contains("MaxConnections must be at least 1, not 0", fault.Message, StringComparison.Ordinal);
    }

    private static MillraceServerOptions WithUrl(string url)
    {
        var options = new MillraceServerOptions();
        options.Urls[0] = url;
        return options;
    }
}
