using Millrace.Client;
using Millrace.Server;
using Millrace.Storage;

namespace Millrace.Tidy.Tests;

/// <summary>Backends opened for reading what they declare: each directly, and each through a server of its own.</summary>
internal sealed class OpenStores(string folder, string redis) : IAsyncDisposable
{
    private readonly BackendRegistry _registry = BackendRegistry.CreateDefault();
    private readonly Stack<IAsyncDisposable> _open = [];
    private readonly List<string> _titles = [];

    /// <summary>Of the columns of a table: the backends, and <c>http</c>.</summary>
    public IEnumerable<string> Titles => [.. _titles, "http"];

    public List<Backend> Direct { get; } = [];

    /// <summary>The same backends through servers, in the same order.</summary>
    public List<Backend> Served { get; } = [];

    public async Task OpenAsync(string url, string title, CancellationToken cancellationToken)
    {
        _titles.Add(title);
        Direct.Add(Keep(await _registry.OpenAsync(Resolve(url, "direct"), cancellationToken: cancellationToken)));

        // A store without channels is paired with memory, as a node does it.
        var channelUrl = Direct[^1].Channels is null ? "memory:" : null;
        var client = Keep(await MillraceClient.OpenAsync(Resolve(url, "served"), configure => configure.ChannelUrl = channelUrl, cancellationToken));
        var options = new MillraceServerOptions { Instances = { ["default"] = client } };
        options.Urls.Clear();
        options.Urls.Add("http://127.0.0.1:0");
        var server = Keep(await MillraceServer.StartAsync(options, cancellationToken));
        Served.Add(Keep(await _registry.OpenAsync(server.Addresses[0], cancellationToken: cancellationToken)));
    }

    // Each in a folder of its own: not every store can be open twice.
    private string Resolve(string url, string name) =>
        url.Replace("{folder}", Directory.CreateDirectory(Path.Combine(folder, name)).FullName, StringComparison.Ordinal)
            .Replace("{redis}", redis, StringComparison.Ordinal);

    public async ValueTask DisposeAsync()
    {
        while (_open.TryPop(out var last))
        {
            await last.DisposeAsync();
        }
    }

    private T Keep<T>(T opened)
        where T : IAsyncDisposable
    {
        _open.Push(opened);
        return opened;
    }
}
