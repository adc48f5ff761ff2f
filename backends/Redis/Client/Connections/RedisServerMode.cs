namespace Millrace.Redis.Client.Connections;

/// <summary>What a server says that it is.</summary>
internal enum RedisServerMode : byte
{
    Standalone,
    Sentinel,
    Cluster,
}
