using Microsoft.Extensions.Logging;

namespace Millrace.Sqlite;

/// <summary>All log messages of this backend, with ids that stay.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(EventId = 7001, Level = LogLevel.Information, Message = "Opened {File} with SQLite {Version}, durability {Durability}")]
    public static partial void Opened(ILogger logger, string file, string version, Storage.StoreDurability durability);

    [LoggerMessage(EventId = 7002, Level = LogLevel.Warning, Message = "Looking for changes of other processes in {File} failed; it is tried again")]
    public static partial void WatchFailed(ILogger logger, string file, Exception fault);

    [LoggerMessage(EventId = 7003, Level = LogLevel.Information, Message = "The process {Process} that had {File} open is gone: {Leases} of its leases were ended")]
    public static partial void OwnerGone(ILogger logger, long process, string file, int leases);

    [LoggerMessage(EventId = 7004, Level = LogLevel.Warning, Message = "Upkeep of {File} failed; it is tried again")]
    public static partial void UpkeepFailed(ILogger logger, string file, Exception fault);
}
