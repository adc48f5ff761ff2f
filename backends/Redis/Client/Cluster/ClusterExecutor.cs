using Microsoft.Extensions.Logging;
using Millrace.Redis.Client.Connections;

namespace Millrace.Redis.Client.Cluster;

/// <summary>The way to the nodes of a Cluster: each command to the node that serves its key's slot, wherever that moves. Safe for concurrent use.</summary>
internal sealed class ClusterExecutor : RoutingExecutor, IRedisExecutor
{
    private const int RedirectsWithoutPause = 3;

    // How long to wait for one node before asking whether it is still the right one.
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(250);

    private readonly ClusterTopology _topology;
    private readonly ClusterSubscriptions _subscriptions;

    public ClusterExecutor(RedisOptions options, ClusterDialing dialing, TimeProvider time, ILogger logger)
        : base(time, options.Timeout)
    {
        _topology = new ClusterTopology(options, dialing, time, logger);
        _subscriptions = new ClusterSubscriptions(_topology, dialing, options, time, logger);
    }

    public bool IsCluster => true;

    public ClusterTopology Topology => _topology;

    /// <summary>Learns who serves what. The connections to those who do are made when they are needed, so that one that is gone keeps nobody from opening the others.</summary>
    public ValueTask OpenAsync(CancellationToken cancellationToken) => _topology.OpenAsync(cancellationToken);

    public async ValueTask<RedisReply[]> ExecuteBlockingAsync(IReadOnlyList<RedisCommand> commands, TimeSpan longest, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(commands);
        try
        {
            return await ExecuteWherePlacedAsync(commands, longest, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            foreach (var command in commands)
            {
                command.Free();
            }
        }
    }

    public async ValueTask<IReadOnlyList<(string Server, RedisReply Reply)>> ExecuteOnPrimariesAsync(Func<RedisCommand> command, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(command);
        return await Task.WhenAll(_topology.Primaries.Select(ExecuteAsync)).ConfigureAwait(false);

        async Task<(string Server, RedisReply Reply)> ExecuteAsync(ClusterNode node)
        {
            var connection = await node.Link.WaitAsync(Timeout, Timeout, cancellationToken).ConfigureAwait(false);
            return (node.Address.ToString(), await connection.ExecuteAsync(command()).ConfigureAwait(false));
        }
    }

    public async ValueTask ProbeAsync(CancellationToken cancellationToken) =>
        await Task.WhenAll(_topology.Primaries.Select(node => RoundTrip.MakeAsync(node.Link, mustBePrimary: false, Time, cancellationToken).AsTask())).ConfigureAwait(false);

    public string ServerOf(RedisCommand command) => FindNode(command)?.Address.ToString() ?? "the Cluster";

    public ValueTask<IAsyncDisposable> SubscribeAsync(RedisSubscriptionKind kind, string name, IRedisListener listener, CancellationToken cancellationToken) =>
        _subscriptions.SubscribeAsync(kind, name, listener, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _subscriptions.DisposeAsync().ConfigureAwait(false);
        await _topology.DisposeAsync().ConfigureAwait(false);
    }

    protected override RedisConnection? FindConnection(RedisCommand command) => FindNode(command)?.Link.Current;

    protected override async ValueTask<RedisConnection> WaitForConnectionAsync(RedisCommand command, TimeSpan longest, CancellationToken cancellationToken)
    {
        var started = Time.GetTimestamp();
        BackendUnavailableException? last = null;
        while (true)
        {
            var left = longest - Time.GetElapsedTime(started);
            if (left <= TimeSpan.Zero)
            {
                throw last ?? RedisFaults.Unreachable("the Cluster", Timeout, new IOException(command.Slot is { } slot ? $"no node serves the slot {slot}" : "no node is known"));
            }

            try
            {
                if (FindNode(command) is { } node)
                {
                    return await node.Link.WaitAsync(left < Patience ? left : Patience, Timeout, cancellationToken).ConfigureAwait(false);
                }
            }
            catch (BackendUnavailableException fault)
            {
                last = fault;
            }

            try
            {
                await _topology.RefreshAsync().WaitAsync(left, Time, cancellationToken).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                // Said above, with the reason.
            }
        }
    }

    protected override void Leave(RedisConnection connection)
    {
        foreach (var node in _topology.Primaries)
        {
            node.Link.Leave(connection);
        }

        _topology.RequestRefresh();
    }

    protected override bool TryRedirect(RedisOperation operation, RedisConnection connection, RedisReply error)
    {
        var redirect = ClusterRedirect.Read(error, connection.Address);
        switch (redirect.Kind)
        {
            // However often: a slot may move on while a command waits for it, and its time is bounded.
            case ClusterRedirectKind.Moved:
                _topology.Move(redirect.Slot, redirect.Server);
                _ = PlaceAsync(operation, operation.Repeats++ < RedirectsWithoutPause ? TimeSpan.Zero : PauseBefore(operation.Repeats), CancellationToken.None);
                return true;
            case ClusterRedirectKind.Ask:
                operation.Repeats++;
                _ = PlaceAskingAsync(operation, _topology.NodeAt(redirect.Server));
                return true;
            case ClusterRedirectKind.Later:
                _ = PlaceAsync(operation, PauseBefore(operation.Repeats++), CancellationToken.None);
                return true;
            case ClusterRedirectKind.Unserved:
                _topology.RequestRefresh();
                _ = PlaceAsync(operation, PauseBefore(operation.Repeats++), CancellationToken.None);
                return true;
            default:
                return false;
        }
    }

    private ClusterNode? FindNode(RedisCommand command) => command.Slot is { } slot ? _topology.NodeOf(slot) : _topology.AnyNode();

    /// <summary>Asks a node for a slot that is on its way to it. When that fails, the command begins anew where the slot is.</summary>
    private async Task PlaceAskingAsync(RedisOperation operation, ClusterNode node)
    {
        var asking = RedisOperation.Start(RedisCommand.Create("ASKING"), DirectRouter.Instance, Time.GetTimestamp());
        var asked = IgnoreAsync(asking.Task);
        try
        {
            var connection = await node.Link.WaitAsync(Remaining(operation), Timeout, CancellationToken.None).ConfigureAwait(false);
            if (connection.Send(operation, asking) == SendOutcome.Taken)
            {
                // From here on the connection decides what becomes of both.
                await asked.ConfigureAwait(false);
                return;
            }
        }
        catch (Exception fault) when (fault is MillraceException or ObjectDisposedException)
        {
            // The node cannot be reached: whoever is asked next knows better.
            _topology.RequestRefresh();
        }

        asking.Complete(RedisReply.Null);
        await PlaceAsync(operation, PauseBefore(operation.Repeats), CancellationToken.None).ConfigureAwait(false);
    }

    private async ValueTask<RedisReply[]> ExecuteWherePlacedAsync(IReadOnlyList<RedisCommand> commands, TimeSpan longest, CancellationToken cancellationToken)
    {
        var attempts = new BlockingAttempts(commands, Time.GetTimestamp());
        ClusterNode? asked = null;
        for (var repeats = 0; ; repeats++)
        {
            var node = asked ?? FindNode(commands[0]);
            var replies = node is null
                ? [RedisReply.OfText(RedisReplyKind.Error, "CLUSTERDOWN No node is known that serves the slot"u8.ToArray())]
                : await TryRunAsync(node.Pool, commands, longest, asked is not null, IsRedirect, attempts, cancellationToken).ConfigureAwait(false);
            if (replies is null)
            {
                // Another node may serve the slot by now.
                asked = null;
                _topology.RequestRefresh();
                await Task.Delay(PauseBefore(repeats), Time, cancellationToken).ConfigureAwait(false);
                continue;
            }

            if (replies is not [{ Kind: RedisReplyKind.Error } error] || !IsRedirect(error))
            {
                return replies;
            }

            if (!HasTime(attempts))
            {
                throw Misplaced(error, node?.Address.ToString(), attempts);
            }

            var redirect = ClusterRedirect.Read(error, node?.Address ?? default);
            asked = redirect.Kind == ClusterRedirectKind.Ask ? _topology.NodeAt(redirect.Server) : null;
            if (redirect.Kind == ClusterRedirectKind.Moved)
            {
                _topology.Move(redirect.Slot, redirect.Server);
            }
            else if (redirect.Kind == ClusterRedirectKind.Unserved)
            {
                _topology.RequestRefresh();
            }

            if (redirect.Kind is ClusterRedirectKind.Later or ClusterRedirectKind.Unserved || repeats > RedirectsWithoutPause)
            {
                await Task.Delay(PauseBefore(repeats), Time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static bool IsRedirect(RedisReply error) => ClusterRedirect.Read(error, default).Kind != ClusterRedirectKind.None;
}
