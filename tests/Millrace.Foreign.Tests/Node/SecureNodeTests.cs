using System.Text.Json;
using Xunit;

namespace Millrace.Foreign.Tests.Node;

/// <summary>stompjs over TLS, with a broker that has users.</summary>
public sealed class SecureNodeTests(SecureBroker broker) : IClassFixture<SecureBroker>
{
    [Fact]
    public async Task AUser_ComesInByTls()
    {
        var said = await LogInAsync(SecureBroker.Password);

        Assert.Equal("1.2", said[0].GetProperty("connected").GetProperty("version").GetString());
        Assert.Equal("secret", said[1].GetProperty("body").GetString());
    }

    [Fact]
    public async Task AWrongPassword_IsRefused() => Assert.Equal("access refused", Assert.Single(await LogInAsync("wrong wrong")).GetProperty("error").GetString());

    private Task<JsonElement[]> LogInAsync(string password) =>
        NodeClientTests.RunAsync("login", $"wss://localhost:{broker.HttpsPort}/stomp", broker.FileOf("authority.pem"), "ada", password, "/queue/mine-node");
}
