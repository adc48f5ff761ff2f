using Millrace.Client;
using Millrace.Server.Tests.Security;
using Millrace.Stomp;
using Xunit;

namespace Millrace.Server.Tests.Stomp;

/// <summary>A server over <c>memory:</c> that serves STOMP too, on free ports.</summary>
internal sealed class StompServer : IAsyncDisposable
{
    private StompServer(MillraceServer server, MillraceClient store, RecordedLog log)
    {
        (Server, Store, Log) = (server, store, log);
        Http = new HttpClient { BaseAddress = new Uri(server.Addresses.First(address => address.StartsWith("http", StringComparison.Ordinal))) };
    }

    public MillraceServer Server { get; }

    public MillraceClient Store { get; }

    public RecordedLog Log { get; }

    public HttpClient Http { get; }

    /// <summary>Where raw connections go.</summary>
    public Uri Address => new(Server.Addresses.First(address => address.StartsWith("stomp", StringComparison.Ordinal)));

    public StompBroker Broker => Server.Broker!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static async Task<StompServer> StartAsync(Action<MillraceServerOptions>? configure = null)
    {
        var log = new RecordedLog();
        var store = await MillraceClient.OpenAsync("memory:", cancellationToken: Token);
        try
        {
            var options = new MillraceServerOptions { Instances = { ["default"] = store }, LoggerFactory = log, Stomp = new StompServerOptions() };
            options.Urls[0] = "http://127.0.0.1:0";
            options.Stomp.Urls[0] = "stomp://127.0.0.1:0";
            configure?.Invoke(options);
            return new StompServer(await MillraceServer.StartAsync(options, Token), store, log);
        }
        catch
        {
            await store.DisposeAsync();
            throw;
        }
    }

    public Task<HttpResponseMessage> GetAsync(string path) => Http.GetAsync(new Uri(path, UriKind.Relative), Token);

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await Server.DisposeAsync();
        await Store.DisposeAsync();
    }
}
