using Millrace.Client;
using Millrace.Storage;
using Millrace.Testing;

namespace Millrace.Server.Tests.Conformance;

/// <summary>
/// The backend <c>http:</c> through a real server on a free port. The store behind it runs on a fake clock, so that the laws of time are tested exactly; the network's own
/// waits are real. A second opening is a second client of the same server.
/// </summary>
public abstract class HttpFixture : BackendFixture
{
    private readonly List<IAsyncDisposable> _servers = [];
    private MillraceServer? _server;

    public override IConformanceClock Clock { get; } = new ManualConformanceClock();

    public override bool CanReopen => true;

    /// <summary>The URL of the store behind the server.</summary>
    protected abstract string StoreUrl { get; }

    public override async ValueTask<Backend> OpenAsync(CancellationToken cancellationToken)
    {
        _server ??= await StartAsync(cancellationToken);
        return await BackendRegistry.CreateDefault().OpenAsync(_server.Addresses[0], cancellationToken: cancellationToken);
    }

    public override async ValueTask DisposeAsync()
    {
        for (var i = _servers.Count - 1; i >= 0; i--)
        {
            await _servers[i].DisposeAsync();
        }

        await base.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>The next opening gets a new server, on the same store as it was left.</summary>
    protected void Forget() => _server = null;

    private async Task<MillraceServer> StartAsync(CancellationToken cancellationToken)
    {
        var client = await MillraceClient.OpenAsync(
            StoreUrl,
            options =>
            {
                options.TimeProvider = Clock.TimeProvider;
                options.ChannelUrl = "memory:";
            },
            cancellationToken);
        _servers.Add(client);
        var options = new MillraceServerOptions { Instances = { ["default"] = client } };
        options.Urls.Clear();
        options.Urls.Add("http://127.0.0.1:0");
        var server = await MillraceServer.StartAsync(options, cancellationToken);
        _servers.Add(server);
        return server;
    }
}
