using Xunit;

namespace Millrace.Server.Tests;

public sealed class ServerStartTests
{
    [Fact]
    public async Task Server_OnAFreePort_TellsItsAddress()
    {
        var options = new MillraceServerOptions();
        options.Urls.Clear();
        options.Urls.Add("http://127.0.0.1:0");

        await using var server = await MillraceServer.StartAsync(options, TestContext.Current.CancellationToken);

        Assert.DoesNotContain(":0", server.Addresses[0] + "/", StringComparison.Ordinal);
    }
}
