using Millrace.Redis.Client.Connections;

namespace Millrace.Redis.Client.Cluster;

/// <summary>Makes connections to nodes. Safe for concurrent use.</summary>
internal sealed class ClusterDialing(RedisDialer dialer, RedisIntroduction introduction)
{
    public IRedisConnector To(RedisServerAddress address) => new FixedConnector(dialer, address, introduction);

    public ValueTask<RedisConnection> DialAsync(RedisServerAddress address, CancellationToken cancellationToken) => dialer.DialAsync(address, introduction, cancellationToken);
}
