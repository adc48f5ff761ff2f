using Microsoft.Extensions.Logging;
using Millrace.Redis.Client.Connections;

namespace Millrace.Redis;

/// <summary>All log messages of this backend, with ids that stay. Those from 5000 to 5099 are the client's.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(EventId = 5000, Level = LogLevel.Debug, Message = "Connected to Redis at {Server}")]
    public static partial void Connected(ILogger logger, RedisServerAddress server);

    [LoggerMessage(EventId = 5001, Level = LogLevel.Warning, Message = "The connection to Redis at {Server} has ended: {Reason}; it is made again")]
    public static partial void Disconnected(ILogger logger, RedisServerAddress server, string reason);

    [LoggerMessage(EventId = 5002, Level = LogLevel.Warning, Message = "There is no connection to Redis at {Target}: {Reason}; it is tried again")]
    public static partial void ConnectFailed(ILogger logger, string target, string reason);

    [LoggerMessage(EventId = 5003, Level = LogLevel.Warning, Message = "Redis at {Server} refuses the subscription to '{Name}': {Reason}")]
    public static partial void SubscriptionRefused(ILogger logger, string name, RedisServerAddress server, string reason);

    [LoggerMessage(EventId = 5004, Level = LogLevel.Warning, Message = "Redis {Name} has failed over: the primary is now {Server}")]
    public static partial void FailedOver(ILogger logger, string name, RedisServerAddress server);

    [LoggerMessage(EventId = 5005, Level = LogLevel.Information, Message = "The slots of the Redis Cluster are served by {Servers}")]
    public static partial void SlotsServed(ILogger logger, string servers);

    [LoggerMessage(EventId = 5006, Level = LogLevel.Warning, Message = "No node of the Redis Cluster tells who serves the slots: {Reason}; it is asked again when needed")]
    public static partial void SlotsUnknown(ILogger logger, string reason);

    [LoggerMessage(EventId = 5007, Level = LogLevel.Warning, Message = "The Redis client '{Name}' does not know the configuration keys {Keys}; they are ignored")]
    public static partial void KeysIgnored(ILogger logger, string name, string keys);

    [LoggerMessage(EventId = 5008, Level = LogLevel.Information, Message = "There is a connection to Redis at {Server} again")]
    public static partial void Reconnected(ILogger logger, RedisServerAddress server);

    [LoggerMessage(EventId = 5100, Level = LogLevel.Information, Message = "Redis at {Server} has {Settings}, {Memory}: {Meaning}")]
    public static partial void PersistenceFound(ILogger logger, string server, string settings, string memory, string meaning);

    [LoggerMessage(EventId = 5101, Level = LogLevel.Warning, Message = "Redis at {Server} has {Warning}")]
    public static partial void KeysMayBeDropped(ILogger logger, string server, string warning);
}
