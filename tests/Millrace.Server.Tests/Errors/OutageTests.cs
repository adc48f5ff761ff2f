using System.Net;
using System.Text;
using Microsoft.Extensions.Logging;
using Millrace.Server.Tests.Security;
using Millrace.Storage;
using Millrace.Testing;
using Xunit;

namespace Millrace.Server.Tests.Errors;

/// <summary>Requests to a node whose stores are gone, and what its log tells of them.</summary>
public sealed class OutageTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AnOutage_IsTold_OfEachInstanceByItself_AndThatItIsOver()
    {
        var clock = new ManualTimeProvider();
        var log = new RecordedLog();
        await using var memory = await BackendRegistry.CreateDefault().OpenAsync("memory:", cancellationToken: Token);
        var first = new FailingBackend(memory);
        var second = new FailingBackend(memory);
        var one = await RunningServer.OpenClientAsync("default", first);
        var two = await RunningServer.OpenClientAsync("orders", second);
        await using var server = await RunningServer.StartAsync(options =>
        {
            options.TimeProvider = clock;
            options.LoggerFactory = log;
            options.HealthCacheTime = TimeSpan.Zero;
            options.Instances.Add("default", one);
            options.Instances.Add("orders", two);
        });

        first.IsFailing = second.IsFailing = true;
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => AskAsync(server, "/api/v1/state/x")));
        await SendAsync(server);
        await AskAsync(server, "/api/v1/instances/orders/state/x");
        await AskAsync(server, "/api/v1/instances/orders/state/x");
        Assert.All(answers, status => Assert.Equal(HttpStatusCode.ServiceUnavailable, status));
        clock.Advance(TimeSpan.FromMinutes(1));
        await log.WaitForAsync(2206, count: 2);

        var warnings = log.Of(2205, 2206).Where(entry => entry.Level == LogLevel.Warning).ToList();
        Assert.Equal([2205, 2205, 2206, 2206], warnings.Select(entry => entry.Id).Order());
        Assert.All(warnings, entry => Assert.EndsWith(": It is told to fail.", entry.Text, StringComparison.Ordinal));
        Assert.Equal([("default", "50"), ("orders", "1")], log.Of(2206).Select(entry => (entry.Values["Instance"]!, entry.Values["Count"]!)).Order());
        Assert.Equal(53, log.Of(2205).Count);

        first.IsFailing = false;
        clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("default", (await log.WaitForAsync(2207)).Values["Instance"]);
        Assert.Equal(HttpStatusCode.NotFound, await AskAsync(server, "/api/v1/state/x"));
        second.IsFailing = false;
        clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("orders", (await log.WaitForAsync(2207, count: 2)).Values["Instance"]);
    }

    private static async Task<HttpStatusCode> AskAsync(RunningServer server, string path)
    {
        using var answer = await server.GetAsync(path);
        return answer.StatusCode;
    }

    // Operations have their problems in an answer that is a success.
    private static async Task SendAsync(RunningServer server)
    {
        using var body = new StringContent("""{"operations":[{"op":"enqueue","queue":"q","messages":[{"text":"x"}]}]}""", Encoding.UTF8, "application/json");
        using var answer = await server.Http.PostAsync(new Uri("/api/v1/operations", UriKind.Relative), body, Token);
        Assert.Equal((HttpStatusCode.OK, true), (answer.StatusCode, (await answer.Content.ReadAsStringAsync(Token)).Contains("\"unavailable\"", StringComparison.Ordinal)));
    }
}
