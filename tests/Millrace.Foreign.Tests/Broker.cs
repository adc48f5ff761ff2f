using Xunit;

namespace Millrace.Foreign.Tests;

/// <summary><c>millrace serve</c> over a SQLite file of its own, for the tests of a class.</summary>
public sealed class Broker : IAsyncLifetime
{
    private readonly StoreFolder _store = new();
    private RunningNode? _node;

    internal RunningNode Node => _node!;

    public async ValueTask InitializeAsync() => _node = await RunningNode.StartAsync(_store.Path, ["--url", _store.Url, "--stomp", "stomp://127.0.0.1:0"]);

    public async ValueTask DisposeAsync()
    {
        if (_node is not null)
        {
            await _node.DisposeAsync();
        }

        _store.Dispose();
    }

    /// <summary>The port of the STOMP address of a node that has one.</summary>
    internal static int PortOf(RunningNode node)
    {
        var addresses = node.Start.GetProperty("addresses").EnumerateArray().Select(address => address.GetString()!);
        return new Uri(addresses.Single(address => address.StartsWith("stomp", StringComparison.Ordinal))).Port;
    }
}
