using Millrace.Client;
using Millrace.Storage;
using Xunit;

namespace Millrace.Server.Tests.Client;

/// <summary>A server in this process with its store.</summary>
internal sealed class TestNode : IAsyncDisposable
{
    private readonly MillraceClient _client;

    private TestNode(MillraceClient client, MillraceServer server) => (_client, Server) = (client, server);

    public MillraceServer Server { get; }

    public string Url => Server.Addresses[0];

    /// <summary>The store behind the server.</summary>
    public MillraceClient Store => _client;

    public static async Task<TestNode> StartAsync(string storeUrl = "memory:", string listen = "http://127.0.0.1:0", Action<MillraceServerOptions>? configure = null)
    {
        var client = await MillraceClient.OpenAsync(storeUrl, options => options.ChannelUrl = "memory:", TestContext.Current.CancellationToken);
        var options = new MillraceServerOptions { Instances = { ["default"] = client } };
        options.Urls.Clear();
        options.Urls.Add(listen);
        configure?.Invoke(options);
        return new TestNode(client, await MillraceServer.StartAsync(options, TestContext.Current.CancellationToken));
    }

    /// <summary>A client of the server.</summary>
    public ValueTask<Backend> OpenAsync(string options = "") => OpenAsync(Url, options);

    /// <summary>A client of a server.</summary>
    public static ValueTask<Backend> OpenAsync(string url, string options) =>
        BackendRegistry.CreateDefault().OpenAsync(url + options, cancellationToken: TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        await _client.DisposeAsync();
    }
}
