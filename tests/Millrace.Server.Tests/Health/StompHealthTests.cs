using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Millrace.Server.Health;
using Millrace.Server.Security;
using Millrace.Server.Tests.Access;
using Millrace.Server.Tests.Security;
using Millrace.Server.Tests.Stomp;
using Xunit;

namespace Millrace.Server.Tests.Health;

/// <summary>What <c>/api/health</c> tells of STOMP, on listeners that are there, full, gone, or stopping.</summary>
public sealed class StompHealthTests
{
    private readonly TaskCompletionSource _goOn = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Listeners_AreTold_WithTheConnectionsThatThereAre()
    {
        var path = Path.Combine(Path.GetTempPath(), $"millrace-{Guid.NewGuid():N}.sock");
        await using var server = await StartAsync(options =>
        {
            options.Stomp!.Urls.Add("stomp://[::1]:0");
            options.Stomp.Urls.Add($"stomp://unix:{path}");
        });
        var (client, _) = await StompClient.ConnectAsync(server.Address);
        await using var dispose = client;

        var (status, health) = await AskAsync(server);

        Assert.Equal((HttpStatusCode.OK, "healthy"), (status, Text(health, "status")));
        Assert.Equal(["default", "stompListeners"], health.GetProperty("checks").EnumerateObject().Select(check => check.Name));
        var stomp = health.GetProperty("checks").GetProperty("stompListeners");
        Assert.Equal(["status", "durationMs", "error", "details"], stomp.EnumerateObject().Select(member => member.Name));
        Assert.Equal(("healthy", null), (Text(stomp, "status"), Text(stomp, "error")));
        var addresses = server.Server.Addresses;
        Assert.Equal(
            $$"""{"state":"listening","endpoints":"{{addresses[1]}} listening; {{addresses[2]}} listening; {{addresses[3]}} listening; ws{{addresses[0][4..]}}/stomp listening","connections":"1","maxConnections":"20000"}""",
            stomp.GetProperty("details").GetRawText());
        Assert.Equal("RECEIPT\nreceipt-id:r\n\n", await client.AskAsync("SEND\ndestination:/queue/a\n\nx\0"));
    }

    [Fact]
    public async Task Asking_LeavesNothingBehind()
    {
        await using var server = await StartAsync(options => options.Stomp!.Options = options.Stomp.Options with { MaxConnectionsPerAddress = 1 });
        var (client, _) = await StompClient.ConnectAsync(server.Address);
        await using var dispose = client;

        for (var i = 0; i < 20; i++)
        {
            Assert.Equal("1", Text(DetailsOf((await AskAsync(server)).Health), "connections"));
        }

        Assert.Equal((1, 1L, 0L), (server.Broker.ConnectionCount, server.Broker.Counters.ConnectionsAccepted, server.Broker.Counters.ConnectionsRefused));
        Assert.DoesNotContain(server.Log.Of([.. Enumerable.Range(3000, 100)]), entry => entry.Id != 3000);
    }

    [Fact]
    public async Task AnEncryptedListener_IsAskedWithoutAHandshake()
    {
        using var folder = new UsersFolder();
        using var authority = new TestAuthority(folder.Path, "authority");
        await using var server = await StartAsync(options =>
        {
            options.Security = new SecurityOptions { Certificate = authority.Issue() };
            options.Stomp!.Urls[0] = "stomps://127.0.0.1:0";
        });

        var stomp = (await AskAsync(server)).Health.GetProperty("checks").GetProperty("stompListeners");

        Assert.Equal(("healthy", "listening"), (Text(stomp, "status"), Text(stomp.GetProperty("details"), "state")));
        var (client, answer) = await StompClient.ConnectAsync(server.Address);
        await using var dispose = client;
        Assert.StartsWith("CONNECTED", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WithoutAListener_ThereIsTheWebSocket_AndWithoutStomp_Nothing()
    {
        await using var overHttp = await StartAsync(options => options.Stomp!.Urls.Clear());
        await using var without = await StartAsync(options => options.Stomp = null);

        Assert.Equal($"ws{overHttp.Server.Addresses[0][4..]}/stomp listening", Text(DetailsOf((await AskAsync(overHttp)).Health), "endpoints"));
        Assert.Equal(["default"], (await AskAsync(without)).Health.GetProperty("checks").EnumerateObject().Select(check => check.Name));
    }

    [Fact]
    public async Task WithAsManyConnectionsAsThereMayBe_ANodeIsDegraded_UntilOneEnds()
    {
        await using var server = await StartAsync(options => options.Stomp!.Options = options.Stomp.Options with { MaxConnections = 2 });
        var (first, _) = await StompClient.ConnectAsync(server.Address);
        await using var dispose = first;
        var (second, _) = await StompClient.ConnectAsync(server.Address);

        var (status, health) = await AskAsync(server);
        Assert.Equal((HttpStatusCode.OK, "degraded"), (status, Text(health, "status")));
        var stomp = health.GetProperty("checks").GetProperty("stompListeners");
        Assert.Equal(("degraded", null), (Text(stomp, "status"), Text(stomp, "error")));
        Assert.Equal("There are 2 STOMP connections, which is the limit: more are refused. Close some, or raise STOMP__MAX_CONNECTIONS.", Text(stomp, "warning"));
        Assert.Equal(("listening", "2", "2"), (Text(DetailsOf(health), "state"), Text(DetailsOf(health), "connections"), Text(DetailsOf(health), "maxConnections")));

        await second.DisposeAsync();
        await server.Log.WaitForAsync(3001);
        Assert.Equal("healthy", Text((await AskAsync(server)).Health, "status"));
    }

    [Fact]
    public async Task AListenerThatIsGone_MakesANodeUnhealthy_AndTheLogTellsOnce()
    {
        // The web server is stopped behind the node's back: its listeners are closed, and only what runs is still answered.
        await using var server = await StartAsync(options => options.MapMore = endpoints => endpoints.MapGet("/test", async context =>
        {
            var stopping = context.RequestServices.GetRequiredService<IServer>().StopAsync(context.RequestAborted);
            await AnswerAsync(context);
            await AnswerAsync(context);
            Assert.False(stopping.IsCompleted);
        }));

        using var answer = await server.GetAsync("/test");
        var told = await answer.Content.ReadAsStringAsync(Token);

        var address = server.Server.Addresses[1];
        var reason = $"The listener {address} accepts no connections: Connection refused. The log may say why; a restart of the node opens it again.";
        var expected = $"Unhealthy {reason} not accepting {address} not accepting; ws{server.Server.Addresses[0][4..]}/stomp listening\n";
        Assert.Equal(expected + expected, told);
        Assert.Equal($"The health check 'stompListeners' fails: {reason}", Assert.Single(server.Log.Of(2210)).Text);
    }

    [Fact]
    public async Task ANodeThatStops_SaysThatStompDoes()
    {
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await StartAsync(options => options.MapMore = endpoints => endpoints.MapGet("/test", async context =>
        {
            begun.SetResult();
            await _goOn.Task;
            await AnswerAsync(context);
        }));
        var asking = server.GetAsync("/test");
        await begun.Task.WaitAsync(TestScale.Patience, Token);

        var stopping = server.Server.StopAsync(Token);
        _goOn.SetResult();

        using var answer = await asking;
        Assert.Equal("Degraded The node is stopping: STOMP accepts nobody any more. draining \n", await answer.Content.ReadAsStringAsync(Token));
        await stopping.WaitAsync(TestScale.Patience, Token);
    }

    [Fact]
    public async Task OthersThanAdministrators_LearnNoAddress()
    {
        await using var server = await StartAsync(options =>
        {
            options.MapMore = FakeCaller.Use;
            options.Stomp!.Options = options.Stomp.Options with { MaxConnections = 1 };
        });
        var (client, _) = await StompClient.ConnectAsync(server.Address);
        await using var dispose = client;

        var stomp = (await AskAsync(server)).Health.GetProperty("checks").GetProperty("stompListeners");

        Assert.Equal(["status", "durationMs", "error", "warning"], stomp.EnumerateObject().Select(member => member.Name));
        Assert.Equal(("degraded", "warning"), (Text(stomp, "status"), Text(stomp, "warning")));
    }

    [Fact]
    public async Task AnInstance_CannotHaveTheNameOfTheCheck()
    {
        var fault = await Assert.ThrowsAsync<MillraceConfigurationException>(() => StartAsync(options => options.Instances["stompListeners"] = options.Instances["default"]));

        Assert.Equal("An instance cannot be called 'stompListeners' where STOMP is served: that is a check of /api/health. Choose another name.", fault.Message);
    }

    // Each question is a new check, and none is in a hurry.
    private static Task<StompServer> StartAsync(Action<MillraceServerOptions> configure) => StompServer.StartAsync(options =>
    {
        options.HealthCacheTime = TimeSpan.Zero;
        options.HealthTimeout = TimeSpan.FromMinutes(1);
        options.DrainTimeout = TestScale.Patience;
        configure(options);
    });

    private static async Task<(HttpStatusCode Status, JsonElement Health)> AskAsync(StompServer server)
    {
        using var answer = await server.GetAsync("/api/health");
        return (answer.StatusCode, await RunningServer.ReadJsonAsync(answer));
    }

    // From within, where no connection can be made any more.
    private static async Task AnswerAsync(HttpContext context)
    {
        var summary = await context.RequestServices.GetRequiredService<NodeHealth>().CheckAsync(context.RequestAborted);
        var check = summary.Checks.Single(check => check.Instance == StompProbe.CheckName).Check;
        await context.Response.WriteAsync($"{summary.Status} {check.Error ?? check.Warning} {check.Details["state"]} {check.Details["endpoints"]}\n", context.RequestAborted);
    }

    private static JsonElement DetailsOf(JsonElement health) => health.GetProperty("checks").GetProperty("stompListeners").GetProperty("details");

    private static string? Text(JsonElement json, string name) => json.GetProperty(name).GetString();
}
