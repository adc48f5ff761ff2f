using System.Net;
using Millrace.Client;
using Millrace.Storage;
using Xunit;

namespace Millrace.Server.Tests.Health;

public sealed class HealthEndpointTests
{
    private static readonly FakeBackend Working = new(_ => new(FakeBackend.Healthy));
    private static readonly FakeBackend Failing = new(_ => new(new HealthReport(false, TimeSpan.FromMilliseconds(3), "cannot open /var/lib/x.db", new Dictionary<string, string>())));

    [Theory]
    [InlineData("/health/live", "live\n")]
    [InlineData("/health/ready", "ready\n")]
    public async Task ANodeThatServes_SaysSo(string path, string word)
    {
        await using var server = await StartAsync(("default", Working));

        using var response = await server.GetAsync(path);
        using var head = await server.Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, path), TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(word, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(HttpStatusCode.OK, head.StatusCode);
        Assert.True(response.Headers.CacheControl?.NoStore);
    }

    [Fact]
    public async Task ANodeWhoseStoreIsClosed_IsNotReady_AndUnhealthy()
    {
        var client = await RunningServer.OpenClientAsync("default", new FakeBackend(_ => new(FakeBackend.Healthy)));
        await using var server = await RunningServer.StartAsync(options => options.Instances.Add("default", client));
        await client.DisposeAsync();

        using var ready = await server.GetAsync("/health/ready");
        using var health = await server.GetAsync("/api/health");

        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, health.StatusCode);
    }

    [Fact]
    public async Task Health_OfWorkingInstances_IsHealthy_WithDetailsForAdministrators()
    {
        await using var server = await StartAsync(("default", Working), ("orders", Working));

        using var response = await server.GetAsync("/api/health");
        var health = await RunningServer.ReadJsonAsync(response);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("healthy", health.GetProperty("status").GetString());
        Assert.Equal(["default", "orders"], health.GetProperty("checks").EnumerateObject().Select(check => check.Name));
        Assert.Equal(
            """{"status":"healthy","durationMs":1,"error":null,"details":{"file":"secret.db"}}""",
            health.GetProperty("checks").GetProperty("orders").GetRawText());
    }

    [Fact]
    public async Task Health_WithAFailingInstance_IsUnhealthy_AndTellsAdministratorsWhy()
    {
        await using var server = await StartAsync(("default", Working), ("orders", Failing));

        using var response = await server.GetAsync("/api/health");
        var health = await RunningServer.ReadJsonAsync(response);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("unhealthy", health.GetProperty("status").GetString());
        Assert.Equal("""{"status":"unhealthy","durationMs":3,"error":"cannot open /var/lib/x.db"}""", health.GetProperty("checks").GetProperty("orders").GetRawText());
    }

    [Fact]
    public async Task Health_WithAFailingOptionalInstance_IsDegraded()
    {
        await using var server = await StartAsync(options => options.OptionalInstances.Add("orders"), ("default", Working), ("orders", Failing));

        using var response = await server.GetAsync("/api/health");

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("degraded", (await RunningServer.ReadJsonAsync(response)).GetProperty("status").GetString());
    }

    [Fact]
    public async Task Health_OfAStoreWithDamage_IsDegraded_AndTellsAdministratorsWhere()
    {
        var damaged = new FakeBackend(_ => new(FakeBackend.Healthy with { Warning = "x.log is damaged" }));
        await using var server = await StartAsync(("default", damaged));
        await using var guarded = await StartAsync(options => options.MapMore = FakeCaller.Use, ("default", damaged));

        using var response = await server.GetAsync("/api/health");
        var health = await RunningServer.ReadJsonAsync(response);
        using var ready = await server.GetAsync("/health/ready");
        using var forOthers = await guarded.GetAsync("/api/health");
        var other = await RunningServer.ReadJsonAsync(forOthers);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(HttpStatusCode.OK, ready.StatusCode);
        Assert.Equal("degraded", health.GetProperty("status").GetString());
        Assert.Equal("degraded", health.GetProperty("checks").GetProperty("default").GetProperty("status").GetString());
        Assert.Equal("x.log is damaged", health.GetProperty("checks").GetProperty("default").GetProperty("warning").GetString());
        Assert.Equal("warning", other.GetProperty("checks").GetProperty("default").GetProperty("warning").GetString());
    }

    [Fact]
    public async Task ANodeWhoseFolderIsRemoved_IsNotReady_AndUnhealthy()
    {
        var folder = Directory.CreateTempSubdirectory("millrace-health-");
        var client = await MillraceClient.OpenAsync($"file:{folder.FullName}", cancellationToken: TestContext.Current.CancellationToken);
        await using var server = await RunningServer.StartAsync(options => options.Instances.Add("default", client));
        using (var before = await server.GetAsync("/health/ready"))
        {
            Assert.Equal(HttpStatusCode.OK, before.StatusCode);
        }

        folder.Delete(recursive: true);
        using var ready = await server.GetAsync("/health/ready");
        using var health = await server.GetAsync("/api/health");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        Assert.Equal("a store has failed until it is opened again\n", await ready.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, health.StatusCode);
        Assert.Contains("removed, moved or replaced", await health.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Health_ForOthersThanAdministrators_NamesNoFile()
    {
        await using var server = await StartAsync(options => options.MapMore = FakeCaller.Use, ("default", Working), ("orders", Failing));

        using var response = await server.GetAsync("/api/health");
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);

        Assert.Contains("\"error\":\"failed\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain(".db", text, StringComparison.Ordinal);
    }

    private static Task<RunningServer> StartAsync(params (string Instance, FakeBackend Backend)[] instances) => StartAsync(_ => { }, instances);

    private static async Task<RunningServer> StartAsync(Action<MillraceServerOptions> configure, params (string Instance, FakeBackend Backend)[] instances)
    {
        var clients = await Task.WhenAll(instances.Select(instance => RunningServer.OpenClientAsync(instance.Instance, instance.Backend)));
        return await RunningServer.StartAsync(options =>
        {
            foreach (var client in clients)
            {
                options.Instances.Add(client.Instance, client);
            }

            configure(options);
        });
    }
}
