using System.Text.Json;
using Xunit;
using static Millrace.Foreign.Tests.Python.PythonClientTests;

namespace Millrace.Foreign.Tests.Node;

/// <summary>stompjs in Node, over WebSocket. Scenarios stand in <c>scenarios.mjs</c>; what they must see stands here.</summary>
public sealed class NodeClientTests(Broker broker) : IClassFixture<Broker>
{
    private string Url => UrlOf(broker.Node.Address);

    [Theory]
    [InlineData("1.0", "v10.stomp")]
    [InlineData("1.1", "v11.stomp")]
    [InlineData("1.2", "v12.stomp")]
    public async Task AVersion_IsAgreedOn_AndTextAndBytesArriveAsTheyWereSent(string version, string protocol)
    {
        var said = await RunAsync("exchange", Url, version, $"/queue/node-exchange-{version}");

        Assert.Equal((version, protocol), (said[0].GetProperty("version").GetString(), said[0].GetProperty("protocol").GetString()));
        var message = said[1].GetProperty("message");
        Assert.Equal(("Grüße, 世界 🌾", "text/plain", "7"), (BodyOf(message), HeaderOf(message, "content-type"), HeaderOf(message, "priority")));
        Assert.All(said[1].GetProperty("sent").EnumerateObject(), header => Assert.Equal(header.Value.GetString(), HeaderOf(message, header.Name)));
        Assert.True(said[2].GetProperty("same").GetBoolean());
        Assert.True(said[3].GetProperty("ended").GetBoolean());
    }

    [Theory]
    [InlineData("1.0")]
    [InlineData("1.1")]
    [InlineData("1.2")]
    public async Task RefusedAndUnacknowledgedMessages_ComeAgain(string version)
    {
        var said = await RunAsync("acknowledge", Url, version, $"/queue/node-ack-{version}");

        if (version != "1.0")
        {
            Assert.Equal(("a", "true"), (BodyOf(said[0].GetProperty("again")), HeaderOf(said[0].GetProperty("again"), "redelivered")));
        }

        var came = said[^1].GetProperty("came").EnumerateArray().ToArray();
        Assert.Equal([("a", "true"), ("c", "true")], came.Select(message => (BodyOf(message), HeaderOf(message, "redelivered")!)));
        Assert.Equal("end", BodyOf(said[^1].GetProperty("last")));
    }

    [Theory]
    [InlineData("1.0")]
    [InlineData("1.2")]
    public async Task Transactions_HappenWholeOrNotAtAll(string version)
    {
        var said = await RunAsync("transactions", Url, version, $"/queue/node-jobs-{version}", $"/queue/node-results-{version}");

        Assert.Equal("""{"abort":["marker"]}""", $"{said[0]}");
        Assert.Equal("""{"commit":["commit","marker"]}""", $"{said[1]}");
        Assert.Equal("""{"left":"end"}""", $"{said[2]}");
    }

    [Fact]
    public async Task HeartBeats_BothWays_KeepAQuietConnection() =>
        Assert.Equal("""{"agreed":"300,300","body":"alive"}""", $"{Assert.Single(await RunAsync("beat", Url, "1.2", "/queue/node-beats"))}");

    [Fact]
    public async Task AClient_FindsBack_WhenTheBrokerWasKilledAndStartedAgain()
    {
        using var store = new StoreFolder();
        var listen = $"http://127.0.0.1:{FreePort.Find()}";
        await using var script = await StartOverAsync();

        await using var second = await StartAsync();
        var again = (await script.ReadAsync()).GetProperty("again");
        Assert.Equal(("kept", "true"), (BodyOf(again), HeaderOf(again, "redelivered")));
        Assert.Empty(await script.FinishAsync());

        async Task<Script> StartOverAsync()
        {
            await using var first = await StartAsync();
            var script = await Script.StartNodeAsync("scenarios.mjs", "reconnect", UrlOf(new Uri(listen)), "/queue/node-again");
            Assert.Equal("kept", BodyOf((await script.ReadAsync()).GetProperty("held")));
            await first.Process.KillAsync();
            return script;
        }

        Task<RunningNode> StartAsync() => RunningNode.StartAsync(store.Path, ["--url", store.Url, "--stomp", "stomp://127.0.0.1:0", "--listen", listen]);
    }

    [Fact]
    public async Task APageOfAnotherOrigin_IsRefused_UnlessItIsAllowed()
    {
        using var store = new StoreFolder();
        await using var node = await RunningNode.StartAsync(
            store.Path, ["--url", "memory:", "--stomp", "stomp://127.0.0.1:0", "--set", "SERVER__CORS_ORIGINS=https://tools.example.org"]);
        var (url, own) = (UrlOf(node.Address), node.Address.GetLeftPart(UriPartial.Authority));

        Assert.Equal((false, "Unexpected server response: 403"), await OfOriginAsync("https://elsewhere.example.org"));
        Assert.Equal((false, "Unexpected server response: 403"), await OfOriginAsync("http://tools.example.org"));
        Assert.Equal((true, null), await OfOriginAsync("https://tools.example.org"));
        Assert.Equal((true, null), await OfOriginAsync(own));
        Assert.Equal((true, null), await OfOriginAsync(""));

        async Task<(bool, string?)> OfOriginAsync(string origin)
        {
            var said = Assert.Single(await RunAsync("origin", url, origin));
            return (said.GetProperty("connected").GetBoolean(), said.GetProperty("failed").GetString());
        }
    }

    internal static string UrlOf(Uri address) => $"ws://127.0.0.1:{address.Port}/stomp";

    internal static Task<JsonElement[]> RunAsync(params object[] arguments) => Script.RunNodeAsync("scenarios.mjs", arguments);
}
