using Millrace.Client;
using Millrace.Storage;
using Millrace.Testing;

namespace Millrace.Server.Tests.Conformance;

/// <summary>
/// The backend <c>http:</c> through a real server on a free port. The store behind it runs on a fake clock, so that the laws of time are tested exactly; the network's own
/// waits are real. A second opening is a second client of the same server; one after every client has been closed gets a new server on the same data.
/// </summary>
public abstract class HttpFixture : BackendFixture
{
    private readonly List<Backend> _clients = [];
    private MillraceServer? _server;
    private MillraceClient? _instance;

    public override IConformanceClock Clock { get; } = new ManualConformanceClock();

    /// <summary>A publisher cannot be made to wait by a subscriber at the other end of a network.</summary>
    public override IReadOnlyCollection<string> AllowedSkips => ["waiting"];

    /// <summary>The URL of the store behind the server.</summary>
    protected abstract string StoreUrl { get; }

    /// <summary>The store behind the server.</summary>
    protected Backend? Store { get; private set; }

    public override async ValueTask<Backend> OpenAsync(CancellationToken cancellationToken)
    {
        if (_server is not null && !await HasOpenClientAsync(cancellationToken))
        {
            await StopAsync();
        }

        if (_server is null)
        {
            await StartAsync(cancellationToken);
        }

        // Not the usual 10 s: what is under way when the server dies is told of in time.
        var client = await BackendRegistry.CreateDefault().OpenAsync(_server!.Addresses[0] + "?retryMs=2000", cancellationToken: cancellationToken);
        _clients.Add(client);
        return client;
    }

    public override async ValueTask DisposeAsync()
    {
        await StopAsync();
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>The server is gone, and nobody has closed its store.</summary>
    protected async ValueTask LoseServerAsync()
    {
        _instance = null;
        await StopAsync();
    }

    private async ValueTask StopAsync()
    {
        _clients.Clear();
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        if (_instance is not null)
        {
            await _instance.DisposeAsync();
        }

        (_server, _instance) = (null, null);
    }

    private async Task StartAsync(CancellationToken cancellationToken)
    {
        var registry = new BackendRegistry();
        registry.Add("store", async (_, context, token) => Store = await BackendRegistry.CreateDefault().OpenAsync(StoreUrl, context, token));
        registry.Add("memory", (_, context, token) => BackendRegistry.CreateDefault().OpenAsync("memory:", context, token));
        _instance = await MillraceClient.OpenAsync(
            "store:",
            options =>
            {
                options.Backends = registry;
                options.TimeProvider = Clock.TimeProvider;
                options.ChannelUrl = "memory:";
            },
            cancellationToken);
        var options = new MillraceServerOptions { Instances = { ["default"] = _instance } };
        options.Urls.Clear();
        options.Urls.Add("http://127.0.0.1:0");
        _server = await MillraceServer.StartAsync(options, cancellationToken);
    }

    private async Task<bool> HasOpenClientAsync(CancellationToken cancellationToken)
    {
        foreach (var client in _clients)
        {
            if ((await client.Health.ProbeAsync(cancellationToken)).IsHealthy)
            {
                return true;
            }
        }

        return false;
    }
}
