using System.Net;
using System.Net.Sockets;
using Millrace.Server.Security;
using Millrace.Server.Tests.Security;
using Millrace.Stomp;
using Xunit;

namespace Millrace.Server.Tests.Stomp;

/// <summary>Where a server serves STOMP, and where it refuses to.</summary>
public sealed class StompStartTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AServer_ServesNoStomp_UnlessToldTo()
    {
        await using var server = await StompServer.StartAsync(options => options.Stomp = null);

        Assert.Equal(["http"], server.Server.Addresses.Select(address => new Uri(address).Scheme));
        Assert.Null(server.Server.Broker);
        using var response = await server.GetAsync("/stomp");
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
    }

    [Fact]
    public async Task Addresses_AreThoseOfHttpFirst_WithThePortsThatTheyGot()
    {
        await using var server = await StompServer.StartAsync(options =>
        {
            options.Urls.Add("http://[::1]:0");
            options.Stomp!.Urls.Add("stomp://[::1]:0");
        });

        var addresses = server.Server.Addresses.Select(address => new Uri(address)).ToList();

        Assert.Equal(["http", "http", "stomp", "stomp"], addresses.Select(address => address.Scheme));
        Assert.Equal(["127.0.0.1", "[::1]", "127.0.0.1", "[::1]"], addresses.Select(address => address.Host));
        Assert.All(addresses, address => Assert.True(address.Port > 0));
        foreach (var address in addresses)
        {
            using var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Parse(address.Host.Trim('[', ']')), address.Port, Token);
        }
    }

    [Fact]
    public async Task ASocketInTheFileSystem_IsAnAddress()
    {
        var path = Path.Combine(Path.GetTempPath(), $"millrace-{Guid.NewGuid():N}.sock");
        await using var server = await StompServer.StartAsync(options => options.Stomp!.Urls[0] = $"stomp://unix:{path}");

        Assert.Equal($"stomp://unix:{path}", server.Server.Addresses[1]);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), Token);
    }

    [Fact]
    public async Task ABusyPort_IsNamed_WithWhatToDo()
    {
        await using var first = await StompServer.StartAsync();
        var address = first.Address.OriginalString;

        var fault = await Assert.ThrowsAsync<MillraceConfigurationException>(() => StompServer.StartAsync(options => options.Stomp!.Urls[0] = address));

        Assert.Equal(
            $"Cannot listen on {address}: address already in use. End the program that has the address, or choose another one; "
            + "'millrace serve' takes it as --stomp, and --no-stomp where STOMP is not needed.",
            fault.Message);
    }

    [Theory]
    [InlineData("nonsense", "is no URL to listen on")]
    [InlineData("http://127.0.0.1:0", "has the scheme 'http'; allowed are stomp and stomps, such as stomp://127.0.0.1:61613.")]
    [InlineData("stomp://127.0.0.1", "has no port, such as stomp://127.0.0.1:61613")]
    [InlineData("stomp://127.0.0.1:70000", "port 70000")]
    [InlineData("stomp://127.0.0.1:0/queue", "has a path")]
    [InlineData("stomps://127.0.0.1:0", "has no certificate: set one, or listen on stomp://.")]
    [InlineData("stomp://0.0.0.0:0", "or listen on this machine only, such as on stomp://127.0.0.1:61613.")]
    [InlineData("stomp://*:0", "has no users")]
    public async Task AUrlThatCannotBe_IsRefused(string url, string reason)
    {
        var fault = await Assert.ThrowsAsync<MillraceConfigurationException>(() => StompServer.StartAsync(options => options.Stomp!.Urls[0] = url));

        Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnInstanceThatIsNotThere_IsRefused()
    {
        var fault = await Assert.ThrowsAsync<MillraceConfigurationException>(() => StompServer.StartAsync(options => options.Stomp!.Instance = "orders"));

        Assert.Contains("instance 'orders', which is not configured. Configured are default.", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnOptionOutOfRange_IsRefused()
    {
        var fault = await Assert.ThrowsAsync<MillraceConfigurationException>(
            () => StompServer.StartAsync(options => options.Stomp!.Options = new StompOptions { Prefetch = 0 }));

        Assert.Equal("The STOMP option Prefetch must be 1 to MaxUnacknowledged, not 0.", fault.Message);
    }

    [Fact]
    public async Task WithUsers_OthersMayReachIt()
    {
        using var folder = new UsersFolder();
        await folder.WriteAsync(UsersFolder.User("ada", "correct horse", "admin"));
        await using var server = await StompServer.StartAsync(options =>
        {
            options.Security = new SecurityOptions { UsersFile = folder.File };
            options.Stomp!.Urls[0] = "stomp://0.0.0.0:0";
        });

        Assert.StartsWith("stomp://0.0.0.0:", server.Server.Addresses[1], StringComparison.Ordinal);
        Assert.Contains(server.Log.Of(2113), entry => entry.Text.Contains("stomp://0.0.0.0:0", StringComparison.Ordinal));
    }
}
