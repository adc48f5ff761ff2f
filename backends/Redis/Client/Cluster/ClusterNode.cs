using Microsoft.Extensions.Logging;
using Millrace.Redis.Client.Connections;
using Millrace.Redis.Client.Subscriptions;

namespace Millrace.Redis.Client.Cluster;

/// <summary>A primary of the Cluster, and all connections to it. Safe for concurrent use.</summary>
internal sealed class ClusterNode : IAsyncDisposable
{
    public ClusterNode(RedisServerAddress address, ClusterDialing dialing, RedisOptions options, TimeProvider time, ILogger logger, Action onChanged)
    {
        var connector = dialing.To(address);
        Address = address;
        Link = new RedisLink(connector, time, logger, onChanged);
        Pool = new ConnectionPool(connector, options.MaxConnections - RedisDialing.SharedConnections, time, options.Timeout);
        Sharded = new SubscriptionHub(connector, time, options.Timeout, logger, onChanged);
    }

    public RedisServerAddress Address { get; }

    public RedisLink Link { get; }

    public ConnectionPool Pool { get; }

    /// <summary>Subscriptions to channels of its slots.</summary>
    public SubscriptionHub Sharded { get; }

    /// <summary>It serves no slots any more: what its connection has is still answered.</summary>
    public async ValueTask RetireAsync()
    {
        await Link.RetireAsync().ConfigureAwait(false);
        Pool.Retire();
        await Sharded.DisposeAsync().ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await Sharded.DisposeAsync().ConfigureAwait(false);
        await Pool.DisposeAsync().ConfigureAwait(false);
        await Link.DisposeAsync().ConfigureAwait(false);
    }
}
