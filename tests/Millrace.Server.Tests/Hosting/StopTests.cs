using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Millrace.Server.Health;
using Xunit;

namespace Millrace.Server.Tests.Hosting;

/// <summary>A stop answers what runs, tells what waits, and cuts what does not end.</summary>
public sealed class StopTests
{
    private static readonly CancellationToken Token = TestContext.Current.CancellationToken;

    private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _goOn = new(TaskCreationOptions.RunContinuationsAsynchronously);

    [Fact]
    public async Task ARequestThatRuns_IsAnswered_AndNobodyElseConnects()
    {
        await using var server = await StartAsync(async context =>
        {
            _begun.SetResult();
            await _goOn.Task;
            await context.Response.WriteAsync("done", context.RequestAborted);
        });
        var running = server.GetAsync("/test");
        await _begun.Task.WaitAsync(TestScale.Patience, Token);

        var stopping = server.Server.StopAsync(Token);
        await WaitForRefusalAsync(server);
        Assert.False(stopping.IsCompleted);
        _goOn.SetResult();

        using var response = await running;
        Assert.Equal("done", await response.Content.ReadAsStringAsync(Token));
        await stopping.WaitAsync(TestScale.Patience, Token);
    }

    [Fact]
    public async Task ARequestThatWaits_IsTold_AndAnswersAtOnce()
    {
        await using var server = await StartAsync(async context =>
        {
            var stopping = context.RequestServices.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
            _begun.SetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stopping);
        });
        var waiting = server.GetAsync("/test");
        await _begun.Task.WaitAsync(TestScale.Patience, Token);

        await server.Server.StopAsync(Token).WaitAsync(TestScale.Patience, Token);

        using var response = await waiting;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("unavailable", (await RunningServer.ReadJsonAsync(response)).GetProperty("code").GetString());
    }

    [Fact]
    public async Task ARequestThatDoesNotEnd_IsCutWhenTheDrainIsOver()
    {
        await using var server = await StartAsync(
            async context =>
            {
                _begun.SetResult();
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
            },
            TimeSpan.FromMilliseconds(100));
        var running = server.GetAsync("/test");
        await _begun.Task.WaitAsync(TestScale.Patience, Token);

        await server.Server.StopAsync(Token).WaitAsync(TestScale.Patience, Token);

        await Assert.ThrowsAsync<HttpRequestException>(() => running);
    }

    [Fact]
    public async Task ReadinessEnds_WithTheBeginningOfAStop()
    {
        await using var server = await StartAsync(async context =>
        {
            var lifetime = context.RequestServices.GetRequiredService<IHostApplicationLifetime>();
            using var registration = lifetime.ApplicationStopping.Register(_begun.SetResult);
            await context.Response.WriteAsync("begun", context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            await _begun.Task;
            await context.Response.WriteAsync(context.RequestServices.GetRequiredService<NodeHealth>().FindReasonNotReady() ?? "ready", context.RequestAborted);
        });
        using var ready = await server.GetAsync("/health/ready");
        using var running = await server.Http.GetAsync(new Uri("/test", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, Token);

        await server.Server.StopAsync(Token).WaitAsync(TestScale.Patience, Token);

        Assert.Equal("ready\n", await ready.Content.ReadAsStringAsync(Token));
        Assert.Equal("begunstopping", await running.Content.ReadAsStringAsync(Token));
    }

    [Fact]
    public async Task StoppingTwice_IsStoppingOnce()
    {
        await using var server = await RunningServer.StartAsync();

        await server.Server.StopAsync(Token);
        await server.Server.StopAsync(Token);

        Assert.Single(server.Log.Entries, entry => entry.Id == 2203);
    }

    private static Task<RunningServer> StartAsync(RequestDelegate endpoint, TimeSpan? drain = null) => RunningServer.StartAsync(options =>
    {
        options.DrainTimeout = drain ?? TestScale.Patience * 2;
        options.MapMore = endpoints => endpoints.MapGet("/test", endpoint);
    });

    private static async Task WaitForRefusalAsync(RunningServer server)
    {
        var address = new Uri(server.Server.Addresses[0]);
        while (true)
        {
            using var socket = new System.Net.Sockets.Socket(System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(address.Host, address.Port, Token);
            }
            catch (System.Net.Sockets.SocketException)
            {
                return;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Token);
        }
    }
}
