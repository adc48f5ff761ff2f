using Microsoft.Extensions.Logging;

namespace Millrace.Diagnostics;

/// <summary>Every message that the core logs, with an id that stays: 1000–1099 loops, dispatch, workers and locks; 1100–1149 clients and pipelines; 1150–1199 streams; 1200–1299 the client of a server.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(1000, LogLevel.Error, "'{Loop}' crashed and is not restarted.")]
    public static partial void LoopCrashed(this ILogger logger, Exception exception, string loop);

    [LoggerMessage(1001, LogLevel.Error, "'{Loop}' crashed and is restarted in {Delay}.")]
    public static partial void LoopRestarts(this ILogger logger, Exception exception, string loop, TimeSpan delay);

    [LoggerMessage(1002, LogLevel.Error, "'{Loop}' did not end within {Timeout} after it was cancelled, and is left behind.")]
    public static partial void LoopAbandoned(this ILogger logger, string loop, TimeSpan timeout);

    [LoggerMessage(1003, LogLevel.Error, "A callback on the stop of '{Loop}' failed.")]
    public static partial void LoopStopCallbackFailed(this ILogger logger, Exception exception, string loop);

    [LoggerMessage(1010, LogLevel.Warning, "Leasing from queue '{Queue}' failed ({Failures} in a row) and is tried again in {Delay}.")]
    public static partial void DispatchRetries(this ILogger logger, Exception exception, string queue, TimeSpan delay, int failures);

    [LoggerMessage(1011, LogLevel.Error, "Leasing from queue '{Queue}' failed for good: its consumers get nothing more.")]
    public static partial void DispatchFailed(this ILogger logger, Exception exception, string queue);

    [LoggerMessage(1012, LogLevel.Warning, "Renewing the leases of queue '{Queue}' failed; it is tried again until they end.")]
    public static partial void RenewalFailed(this ILogger logger, Exception exception, string queue);

    [LoggerMessage(1013, LogLevel.Warning, "{Count} leases of queue '{Queue}' could not be renewed in time and count as lost.")]
    public static partial void LeasesExpired(this ILogger logger, int count, string queue);

    [LoggerMessage(1014, LogLevel.Warning, "Returning {Count} deliveries to queue '{Queue}' failed and is tried again.")]
    public static partial void ReturnRetries(this ILogger logger, Exception exception, int count, string queue);

    [LoggerMessage(1015, LogLevel.Error, "Returning {Count} deliveries to queue '{Queue}' failed: they come back when their leases end.")]
    public static partial void ReturnFailed(this ILogger logger, Exception exception, int count, string queue);

    [LoggerMessage(1016, LogLevel.Warning, "Closing a receiver of queue '{Queue}' failed: what it held comes back when its leases end.")]
    public static partial void ReceiverCloseFailed(this ILogger logger, Exception exception, string queue);

    [LoggerMessage(1017, LogLevel.Error, "The sink of a consumer of queue '{Queue}' threw: the consumer is closed.")]
    public static partial void SinkFailed(this ILogger logger, Exception exception, string queue);

    [LoggerMessage(1018, LogLevel.Warning, "{Count} deliveries of queue '{Queue}' were settled on lease after their consumers had left, and are lost.")]
    public static partial void SettledDeliveriesDropped(this ILogger logger, int count, string queue);

    [LoggerMessage(1019, LogLevel.Error, "Background work for queue '{Queue}' failed.")]
    public static partial void DispatchCallbackFailed(this ILogger logger, Exception exception, string queue);

    [LoggerMessage(1030, LogLevel.Warning, "Handling message {MessageId} of queue '{Queue}' failed, attempt {Attempt}.")]
    public static partial void AttemptFailed(this ILogger logger, Exception exception, MessageId messageId, string queue, int attempt);

    [LoggerMessage(1031, LogLevel.Warning, "The lease of message {MessageId} of queue '{Queue}' (attempt {Attempt}) was lost before it was settled: it is delivered again.")]
    public static partial void LeaseLost(this ILogger logger, MessageId messageId, string queue, int attempt);

    [LoggerMessage(1032, LogLevel.Warning, "Settling {Count} messages of queue '{Queue}' failed and is tried again in {Delay}.")]
    public static partial void SettlingRetries(this ILogger logger, Exception exception, int count, string queue, TimeSpan delay);

    [LoggerMessage(1033, LogLevel.Error, "Settling messages of queue '{Queue}' failed for good: the worker stops.")]
    public static partial void SettlingFailed(this ILogger logger, Exception exception, string queue);

    [LoggerMessage(1034, LogLevel.Error, "{Count} handlers of queue '{Queue}' did not end within {Timeout} after they were cancelled: their messages are handed back under them.")]
    public static partial void HandlersAbandoned(this ILogger logger, int count, string queue, TimeSpan timeout);

    [LoggerMessage(1035, LogLevel.Error, "A callback on the cancellation of a handler of queue '{Queue}' failed.")]
    public static partial void CancellationCallbackFailed(this ILogger logger, Exception exception, string queue);

    [LoggerMessage(1050, LogLevel.Warning, "Taking lock '{Lock}' failed and is tried again in {Delay}.")]
    public static partial void LockAcquireRetries(this ILogger logger, Exception exception, string @lock, TimeSpan delay);

    [LoggerMessage(1051, LogLevel.Warning, "Renewing lock '{Lock}' failed; it is tried again until its lease ends.")]
    public static partial void LockRenewalFailed(this ILogger logger, Exception exception, string @lock);

    [LoggerMessage(1052, LogLevel.Error, "Lock '{Lock}' with fencing token {FencingToken} is lost (refused by the store: {Refused}).")]
    public static partial void LockLost(this ILogger logger, string @lock, long fencingToken, bool refused);

    [LoggerMessage(1053, LogLevel.Warning, "Giving up lock '{Lock}' failed: it comes free when its lease ends, within {Lease}.")]
    public static partial void LockReleaseFailed(this ILogger logger, Exception exception, string @lock, TimeSpan lease);

    [LoggerMessage(1100, LogLevel.Information, "The instance '{Instance}' is open on the backend {Backend}.")]
    public static partial void InstanceOpened(this ILogger logger, string instance, string backend);

    [LoggerMessage(1101, LogLevel.Critical, "The worker of queue '{Queue}' met a fault that it cannot survive: the host stops.")]
    public static partial void WorkerStopsHost(this ILogger logger, Exception exception, string queue);

    [LoggerMessage(1110, LogLevel.Warning, "Message {MessageId} of queue '{Queue}' is {Reason} and was dead-lettered: {Error}")]
    public static partial void MessageRefused(this ILogger logger, MessageId messageId, string queue, string reason, string error);

    [LoggerMessage(1150, LogLevel.Warning, "Appending to partition {Partition} of stream '{Stream}' failed and is tried again in {Delay}.")]
    public static partial void AppendRetries(this ILogger logger, Exception exception, int partition, string stream, TimeSpan delay);

    [LoggerMessage(1151, LogLevel.Warning, "Offset {Offset} of stream '{Stream}', partition {Partition}, has been trimmed: reading goes on at {Earliest}.")]
    public static partial void OffsetReset(this ILogger logger, long offset, string stream, int partition, long earliest);

    [LoggerMessage(1152, LogLevel.Warning, "Reading stream '{Stream}' failed and is tried again in {Delay}.")]
    public static partial void StreamReadRetries(this ILogger logger, Exception exception, string stream, TimeSpan delay);

    [LoggerMessage(1153, LogLevel.Warning, "Committing offsets of group '{Group}' of stream '{Stream}' failed and is tried again.")]
    public static partial void CommitFailed(this ILogger logger, Exception exception, string group, string stream);

    [LoggerMessage(1160, LogLevel.Warning, "A member of group '{Group}' of stream '{Stream}' could not look at its group, and tries again at its next beat.")]
    public static partial void GroupStepFailed(this ILogger logger, Exception exception, string group, string stream);

    [LoggerMessage(1161, LogLevel.Warning, "Partition {Partition} of group '{Group}' of stream '{Stream}' (epoch {Epoch}) has been lost: what was not committed comes again at its next owner.")]
    public static partial void GroupPartitionLost(this ILogger logger, int partition, string group, string stream, long epoch);

    [LoggerMessage(1162, LogLevel.Warning, "Member {Member} of group '{Group}' of stream '{Stream}' has been silent for {Timeout}: its partitions go to others.")]
    public static partial void GroupMemberMissed(this ILogger logger, string member, string group, string stream, TimeSpan timeout);

    [LoggerMessage(1163, LogLevel.Warning, "Leaving group '{Group}' of stream '{Stream}' failed: others miss the member within {Timeout}.")]
    public static partial void GroupLeaveFailed(this ILogger logger, Exception exception, string group, string stream, TimeSpan timeout);

    [LoggerMessage(1200, LogLevel.Warning, "The subscription to '{Pattern}' has lost its connection, and is opened again.")]
    public static partial void SubscriptionCut(this ILogger logger, Exception exception, string pattern);

    [LoggerMessage(1201, LogLevel.Error, "The subscription to '{Pattern}' cannot be opened again, and has ended.")]
    public static partial void SubscriptionFailed(this ILogger logger, Exception exception, string pattern);
}
