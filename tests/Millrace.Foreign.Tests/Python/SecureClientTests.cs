using System.Text.Json;
using Xunit;
using static Millrace.Foreign.Tests.Python.PythonClientTests;

namespace Millrace.Foreign.Tests.Python;

/// <summary>stomp.py with a broker that has users, and a certificate by an authority made for the test.</summary>
public sealed class SecureClientTests(SecureBroker broker) : IClassFixture<SecureBroker>
{
    [Theory]
    [InlineData("1.0")]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public async Task AUser_DoesWhatTheRoleAllows_AndNothingElse(string version)
    {
        var said = await LogInAsync(version, "ada", SecureBroker.Password);

        Assert.Equal("mine", said[0].GetProperty("body").GetString());
        var error = said[1].GetProperty("error");
        Assert.Equal("access denied", HeaderOf(error, "message"));
        Assert.NotNull(HeaderOf(error, "receipt-id"));
    }

    [Theory]
    [InlineData("1.0", "ada", "wrong wrong")]
    [InlineData("1.2", "ada", "wrong wrong")]
    [InlineData("1.2", "nobody", SecureBroker.Password)]
    [InlineData("1.2", "", "")]
    public async Task AWrongLogin_IsRefused(string version, string name, string password)
    {
        var said = Assert.Single(await LogInAsync(version, name, password));

        Assert.Equal("access refused", HeaderOf(said.GetProperty("refused"), "message"));
        Assert.DoesNotContain(SecureBroker.Password, $"{said}", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1.0")]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public async Task Tls_IsForWhoTrustsTheAuthority(string version)
    {
        var said = Assert.Single(await Script.RunPythonAsync(
            "encrypted", version, broker.TlsPort, "localhost", broker.FileOf("authority.pem"), SecureBroker.Password, $"/queue/mine-{version}"));

        Assert.Equal("secret", said.GetProperty("body").GetString());
        Assert.StartsWith("TLSv1.", said.GetProperty("cipher").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tls_IsNotForWhoTrustsAnotherAuthority()
    {
        var said = Assert.Single(await Script.RunPythonAsync(
            "encrypted", "1.2", broker.TlsPort, "localhost", broker.FileOf("stranger.pem"), SecureBroker.Password, "/queue/mine"));

        Assert.True(said.GetProperty("refused").GetBoolean());
    }

    private Task<JsonElement[]> LogInAsync(string version, string name, string password) =>
        Script.RunPythonAsync("login", version, broker.Port, name, password, $"/queue/mine-{version}", "/queue/others");
}
