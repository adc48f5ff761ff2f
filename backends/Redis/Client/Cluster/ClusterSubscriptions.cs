using Microsoft.Extensions.Logging;
using Millrace.Redis.Client.Connections;
using Millrace.Redis.Client.Subscriptions;

namespace Millrace.Redis.Client.Cluster;

/// <summary>
/// Subscriptions on a Cluster: channels and patterns at any node, because every node carries them all; sharded channels at the node of their slot, which they follow when it moves.
/// Safe for concurrent use.
/// </summary>
internal sealed class ClusterSubscriptions : IRedisConnector, IAsyncDisposable
{
    // Taken before the lock of a hub.
    private readonly Lock _moving = new();
    private readonly ClusterTopology _topology;
    private readonly ClusterDialing _dialing;
    private readonly SubscriptionHub _anywhere;
    private readonly TimeSpan _timeout;
    private readonly TimeProvider _time;

    public ClusterSubscriptions(ClusterTopology topology, ClusterDialing dialing, RedisOptions options, TimeProvider time, ILogger logger)
    {
        (_topology, _dialing, _time, _timeout) = (topology, dialing, time, options.Timeout);
        _anywhere = new SubscriptionHub(this, time, options.Timeout, logger);
        _topology.Retiring = retired => MoveFrom(retired, all: true);
        _topology.Refreshed = OnRefreshed;
        Target = options.Target;
    }

    public string Target { get; }

    /// <summary>A connection to any node that answers.</summary>
    public async ValueTask<RedisConnection> ConnectAsync(CancellationToken cancellationToken)
    {
        MillraceException? last = null;
        foreach (var server in _topology.KnownServers())
        {
            try
            {
                return await _dialing.DialAsync(server, cancellationToken).ConfigureAwait(false);
            }
            catch (MillraceException fault)
            {
                last = fault;
            }
        }

        throw last!;
    }

    public async ValueTask<IAsyncDisposable> SubscribeAsync(RedisSubscriptionKind kind, string name, IRedisListener listener, CancellationToken cancellationToken)
    {
        var shared = new SharedSubscription.Listener(listener);
        var (hub, confirmation) = kind == RedisSubscriptionKind.Sharded
            ? await AddShardedAsync(name, shared, cancellationToken).ConfigureAwait(false)
            : (_anywhere, _anywhere.Add(kind, name, shared));
        try
        {
            await hub.ConfirmAsync(confirmation, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            Remove(kind, name, shared);
            throw;
        }

        return new SubscriptionHandle(() => Remove(kind, name, shared));
    }

    public ValueTask DisposeAsync() => _anywhere.DisposeAsync();

    private async ValueTask<(SubscriptionHub Hub, Task Confirmation)> AddShardedAsync(string name, SharedSubscription.Listener listener, CancellationToken cancellationToken)
    {
        var slot = HashSlot.Of(name);
        var started = _time.GetTimestamp();
        while (true)
        {
            lock (_moving)
            {
                if (_topology.NodeOf(slot) is { } node)
                {
                    return (node.Sharded, node.Sharded.Add(RedisSubscriptionKind.Sharded, name, listener));
                }
            }

            if (_time.GetElapsedTime(started) >= _timeout)
            {
                throw RedisFaults.Unreachable(Target, _timeout, new IOException($"no node serves the slot {slot}"));
            }

            await _topology.RefreshAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private void Remove(RedisSubscriptionKind kind, string name, SharedSubscription.Listener listener)
    {
        if (kind != RedisSubscriptionKind.Sharded)
        {
            _anywhere.Remove(kind, name, listener);
            return;
        }

        // It may have moved; whoever does not have it does nothing.
        lock (_moving)
        {
            foreach (var node in _topology.Nodes())
            {
                node.Sharded.Remove(kind, name, listener);
            }
        }
    }

    private void OnRefreshed()
    {
        MoveFrom(_topology.Nodes(), all: false);
        _anywhere.Reconnect("its server does not belong to the Cluster any more", _topology.Knows);
    }

    /// <summary>Makes subscriptions anew where their slots are now.</summary>
    private void MoveFrom(IReadOnlyList<ClusterNode> nodes, bool all)
    {
        lock (_moving)
        {
            foreach (var node in nodes)
            {
                foreach (var subscription in node.Sharded.Take(one => all || one.IsAdrift || _topology.NodeOf(HashSlot.Of(one.Name)) != node))
                {
                    // Without a node for the slot it stays adrift at the old one until there is.
                    var now = _topology.NodeOf(HashSlot.Of(subscription.Name)) ?? (all ? _topology.AnyNode() : node);
                    subscription.IsAdrift = false;
                    now?.Sharded.Adopt(subscription);
                }
            }
        }
    }
}
