namespace Millrace.Redis.Client.Connections;

/// <summary>Knows where a connection has to go now: to a fixed server, or to the primary that the sentinels name. Safe for concurrent use.</summary>
internal interface IRedisConnector
{
    /// <summary>Where that is, for errors.</summary>
    string Target { get; }

    ValueTask<RedisConnection> ConnectAsync(CancellationToken cancellationToken);
}

/// <summary>Always the same server.</summary>
internal sealed class FixedConnector(RedisDialer dialer, RedisServerAddress address, RedisIntroduction introduction) : IRedisConnector
{
    public string Target { get; } = address.ToString();

    public ValueTask<RedisConnection> ConnectAsync(CancellationToken cancellationToken) => dialer.DialAsync(address, introduction, cancellationToken);
}
