using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Millrace.Client;
using Millrace.Stomp.Connections;
using Millrace.Stomp.Security;
using Millrace.Stomp.Sessions;

namespace Millrace.Stomp;

/// <summary>Serves STOMP over connections that somebody else accepts, on one instance of Millrace. Safe for concurrent use. Disposing closes every connection.</summary>
internal sealed class StompBroker : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, StompConnection> _connections = new(StringComparer.Ordinal);
    private readonly ConnectionLimits _limits;
    private readonly ILogger _logger;
    private volatile bool _isStopping;

    /// <summary>A broker on an instance, which stays its owner's.</summary>
    /// <exception cref="MillraceConfigurationException">An option is out of range, or the instance has neither queues nor channels.</exception>
    public StompBroker(MillraceClient instance, StompOptions options, IStompAuthority authority, TimeProvider timeProvider, ILoggerFactory loggerFactory)
    {
        options.Validate();
        _logger = loggerFactory.CreateLogger("Millrace.Stomp");
        _limits = new ConnectionLimits(options);
        Resources = new BrokerResources(instance, options, authority, timeProvider, _logger);
    }

    /// <summary>What the connections share.</summary>
    internal BrokerResources Resources { get; }

    /// <summary>How many connections there are.</summary>
    public int ConnectionCount => _connections.Count;

    /// <summary>The most connections that it lets in at one time.</summary>
    public int MaxConnections => Resources.Options.MaxConnections;

    /// <summary>Whether it has been told to stop, and accepts nobody any more.</summary>
    public bool IsStopping => _isStopping;

    /// <summary>What the broker has counted since it was made.</summary>
    public BrokerCounters Counters => Resources.Counters;

    /// <summary>The connections as they are now, the oldest first.</summary>
    public IReadOnlyList<StompConnectionInfo> ListConnections() =>
        [.. _connections.Values.Select(connection => connection.Describe()).OrderBy(info => info.ConnectedAt).ThenBy(info => info.Id, StringComparer.Ordinal)];

    /// <summary>A page of the connections as they are now, in the order of their ids, which is about that in which they came.</summary>
    /// <param name="after">Only those after this id; null for the first page.</param>
    /// <param name="limit">The most of them.</param>
    public IReadOnlyList<StompConnectionInfo> ListConnections(string? after, int limit) =>
        [.. _connections
            .Where(connection => after is null || string.CompareOrdinal(connection.Key, after) > 0)
            .OrderBy(connection => connection.Key, StringComparer.Ordinal)
            .Take(limit)
            .Select(connection => connection.Value.Describe())];

    /// <summary>What was counted for each destination, those that were sent most to or delivered most from first.</summary>
    public IReadOnlyList<StompDestinationInfo> ListDestinations()
    {
        var held = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var subscription in _connections.Values.SelectMany(connection => connection.Describe().Subscriptions))
        {
            var name = Resources.Destinations.Of(subscription.Destination).Destination;
            held[name] = held.GetValueOrDefault(name) + subscription.Unacknowledged;
        }

        return [.. Resources.Destinations.All
            .Select(counters => counters.Describe(held.GetValueOrDefault(counters.Destination)))
            .OrderByDescending(info => Math.Max(info.Sent, info.Delivered))
            .ThenBy(info => info.Destination, StringComparer.Ordinal)];
    }

    /// <summary>One connection as it is now; null when there is none with that id.</summary>
    public StompConnectionInfo? FindConnection(string id) => _connections.TryGetValue(id, out var connection) ? connection.Describe() : null;

    /// <summary>Closes a connection with an ERROR frame that says so; its unacknowledged messages go back at once.</summary>
    /// <returns>False when there is none with that id.</returns>
    public bool CloseConnection(string id)
    {
        if (!_connections.TryGetValue(id, out var connection))
        {
            return false;
        }

        connection.Close(CloseReason.ClosedByAdministrator);
        return true;
    }

    /// <summary>Serves a connection of Kestrel until it ends.</summary>
    public Task ServeAsync(ConnectionContext context)
    {
        var transport = context.Features.Get<Microsoft.AspNetCore.Connections.Features.ITlsHandshakeFeature>() is null ? "tcp" : "tls";
        return ServeAsync(context.Transport, new StompPeer(context.RemoteEndPoint, transport), context.Abort, context.ConnectionClosed);
    }

    /// <summary>Serves a connection until it ends. The pipe stays its owner's; it has been completed on return.</summary>
    /// <param name="transport">Where its bytes come from and go to.</param>
    /// <param name="peer">Who is at the other end.</param>
    /// <param name="abort">Cuts the transport, for a peer that does not take what is sent to it.</param>
    /// <param name="aborted">Ends when the transport has gone.</param>
    public async Task ServeAsync(IDuplexPipe transport, StompPeer peer, Action abort, CancellationToken aborted)
    {
        var connection = new StompConnection(Resources, transport, peer, abort);
        await using (connection.ConfigureAwait(false))
        {
            await ServeAsync(connection, peer, aborted).ConfigureAwait(false);
        }
    }

    /// <summary>Accepts nobody any more, tells every client that the broker stops, and hands back what is unacknowledged. Ends when all connections have, or are cut after the time.</summary>
    public async Task StopAsync(TimeSpan timeout)
    {
        _isStopping = true;
        var ending = _connections.Values.Select(connection => connection.StopAsync(timeout)).ToArray();
        await Task.WhenAll(ending).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(TimeSpan.Zero).ConfigureAwait(false);
        Resources.Dispose();
    }

    private async Task ServeAsync(StompConnection connection, StompPeer peer, CancellationToken aborted)
    {
        if (_isStopping)
        {
            await connection.RefuseAsync("stopping", "The broker is stopping: connect again later.").ConfigureAwait(false);
            return;
        }

        if (_limits.TryEnter(peer.Address) is { } refusal)
        {
            Resources.Counters.ConnectionRefused();
            _logger.ConnectionRefused(peer.ToString(), refusal);
            await connection.RefuseAsync("too many connections", refusal).ConfigureAwait(false);
            return;
        }

        _connections[connection.Id] = connection;
        if (_isStopping)
        {
            // It came in while the others were being told.
            connection.Close(CloseReason.Stopping);
        }

        try
        {
            await connection.RunAsync(aborted).ConfigureAwait(false);
        }
        finally
        {
            _connections.TryRemove(connection.Id, out _);
            _limits.Leave(peer.Address);
            connection.ReportEnd();
        }
    }
}

/// <summary>Who is at the other end of a connection.</summary>
/// <param name="EndPoint">Where the connection comes from, if that is known.</param>
/// <param name="Transport">How: <c>tcp</c>, <c>tls</c>, <c>ws</c> or <c>wss</c>.</param>
internal sealed record StompPeer(EndPoint? EndPoint, string Transport)
{
    /// <summary>The address, if the connection has one.</summary>
    public IPAddress? Address => (EndPoint as IPEndPoint)?.Address;

    /// <inheritdoc/>
    public override string ToString() => $"{EndPoint?.ToString() ?? "unknown"} ({Transport})";
}
