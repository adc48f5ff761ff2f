using System.Net.Http.Json;
using System.Text.Json;
using Millrace.Client;
using Millrace.Configuration;
using Millrace.Storage;
using Xunit;

namespace Millrace.Server.Tests;

/// <summary>A server on a free port with a client of its own, and what it logs. The instances are closed with it.</summary>
internal sealed class RunningServer : IAsyncDisposable
{
    private readonly MillraceServerOptions _options;

    private RunningServer(MillraceServerOptions options, MillraceServer server, RecordingLogger log)
    {
        _options = options;
        Server = server;
        Log = log;
        Http = new HttpClient { BaseAddress = new Uri(server.Addresses[0]) };
    }

    public MillraceServer Server { get; }

    public RecordingLogger Log { get; }

    public HttpClient Http { get; }

    public static async Task<RunningServer> StartAsync(Action<MillraceServerOptions>? configure = null)
    {
        var log = new RecordingLogger();
        var options = new MillraceServerOptions { LoggerFactory = log };
        options.Urls.Clear();
        options.Urls.Add("http://127.0.0.1:0");
        configure?.Invoke(options);
        return new RunningServer(options, await MillraceServer.StartAsync(options, TestContext.Current.CancellationToken), log);
    }

    /// <summary>Opens a client on a backend that has nothing but a probe.</summary>
    public static async Task<MillraceClient> OpenClientAsync(string instance, Backend backend)
    {
        var registry = new BackendRegistry();
        registry.Add("fake", (_, _) => backend);
        var client = new MillraceClient(instance, new InstanceUrls { Queue = "fake:" }, new MillraceClientOptions { Backends = registry });
        await client.EnsureOpenAsync(TestContext.Current.CancellationToken);
        return client;
    }

    public Task<HttpResponseMessage> GetAsync(string path) => Http.GetAsync(new Uri(path, UriKind.Relative), TestContext.Current.CancellationToken);

    public static async Task<JsonElement> ReadJsonAsync(HttpResponseMessage response) =>
        await response.Content.ReadFromJsonAsync<JsonElement>(TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await Server.DisposeAsync();
        foreach (var client in _options.Instances.Values)
        {
            await client.DisposeAsync();
        }
    }
}
