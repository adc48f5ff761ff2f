using Microsoft.Extensions.Logging;

namespace Millrace.Diagnostics;

/// <summary>Every message that the core logs, with an id that stays: 1000–1099 loops, dispatch, workers and locks; 1100–1149 clients and pipelines; 1150–1199 clients of streams; 1200–1299 the client of a server; 1300–1399 files; 1400–1449 jobs and schedules.</summary>
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

    [LoggerMessage(1320, LogLevel.Information, "{Queues} queues are open again; {Bytes} bytes of the journal were read for them in {Milliseconds:F0} ms.")]
    public static partial void JournalLoaded(this ILogger logger, int queues, long bytes, double milliseconds);

    [LoggerMessage(1321, LogLevel.Warning, "The journal could not be tidied: it stays longer than need be until the next time.")]
    public static partial void JournalUpkeepFailed(this ILogger logger, Exception exception);

    [LoggerMessage(1322, LogLevel.Error, "A message of queue '{Queue}' is damaged, and becomes a dead letter: {Reason}")]
    public static partial void MessageDamaged(this ILogger logger, string queue, string reason);

    [LoggerMessage(1323, LogLevel.Error, "The journal is damaged in '{File}' at byte {Offset}: {Reason}. Messages that stood there are dead letters now, unless they were still in memory.")]
    public static partial void JournalDamaged(this ILogger logger, string file, long offset, string reason);

    [LoggerMessage(1324, LogLevel.Warning, "The checkpoint '{Checkpoint}' is not used, because {Reason}. What an earlier one and the journal say is used.")]
    public static partial void CheckpointUnusable(this ILogger logger, string checkpoint, string reason);

    [LoggerMessage(1325, LogLevel.Warning, "The checkpoint '{Checkpoint}', which is no longer needed, could not be deleted; the next start does.")]
    public static partial void CheckpointNotDeleted(this ILogger logger, Exception exception, string checkpoint);

    [LoggerMessage(1300, LogLevel.Error, "The file '{File}' of log '{Log}' is damaged at byte {Offset}: {Reason}. What stood before is kept. What comes after is not read any more: it was put aside as '.damaged', or, where the disk is too full for that, stays in the file.")]
    public static partial void LogDamaged(this ILogger logger, string log, string file, long offset, string reason);

    [LoggerMessage(1301, LogLevel.Warning, "The file '{File}' of log '{Log}' ended at byte {Offset} in an append that a crash has cut off; it was removed.")]
    public static partial void TornAppendCut(this ILogger logger, string log, string file, long offset);

    [LoggerMessage(1302, LogLevel.Critical, "The log '{Log}' has failed, and takes nothing more until its store is opened again.")]
    public static partial void FileLogFailed(this ILogger logger, Exception exception, string log);

    [LoggerMessage(1303, LogLevel.Error, "What was appended last to the log '{Log}' could not be flushed when it was closed.")]
    public static partial void FileLogCloseFailed(this ILogger logger, Exception exception, string log);

    [LoggerMessage(1304, LogLevel.Warning, "The next segment of the log '{Log}' could not be prepared; it is tried again when it is needed.")]
    public static partial void NoSpareSegment(this ILogger logger, Exception exception, string log);

    [LoggerMessage(1305, LogLevel.Warning, "There is no space for the {Bytes} bytes that the log '{Log}' keeps for settling on a full disk.")]
    public static partial void NoEssentialSpace(this ILogger logger, string log, long bytes);

    [LoggerMessage(1306, LogLevel.Debug, "The spare segment '{File}' could not be deleted.")]
    public static partial void SpareNotDeleted(this ILogger logger, Exception exception, string file);

    [LoggerMessage(1307, LogLevel.Warning, "What was not acknowledged could not be cut off the log '{Log}' after its failure: it may be found when it is opened again.")]
    public static partial void NotTakenBack(this ILogger logger, Exception exception, string log);

    [LoggerMessage(1310, LogLevel.Error, "Records {From} to {To} (not included) of the partition in '{Folder}' are lost: their segment is damaged or gone.")]
    public static partial void RecordsMissing(this ILogger logger, string folder, long from, long to);

    [LoggerMessage(1311, LogLevel.Error, "The file '{File}' of the partition in '{Folder}' is damaged at byte {Offset}: {Reason}. Its records from there on cannot be read.")]
    public static partial void SegmentDamaged(this ILogger logger, string folder, string file, long offset, string reason);

    [LoggerMessage(1312, LogLevel.Warning, "Saving an index or deleting old segments of stream '{Stream}', partition {Partition}, failed; it is tried again.")]
    public static partial void MaintenanceFailed(this ILogger logger, Exception exception, string stream, int partition);

    [LoggerMessage(1400, LogLevel.Warning, "There is no job '{Job}' in this worker: message {MessageId} of queue '{Queue}' (attempt {Attempt}) goes back for a while.")]
    public static partial void UnknownJob(this ILogger logger, string job, MessageId messageId, string queue, int attempt);

    [LoggerMessage(1401, LogLevel.Error, "{Count} runs are missing in the history, because it could not be appended to.")]
    public static partial void HistoryIncomplete(this ILogger logger, Exception exception, int count);

    [LoggerMessage(1402, LogLevel.Information, "No history of runs is kept, because no backend with streams is configured.")]
    public static partial void NoHistory(this ILogger logger);

    [LoggerMessage(1403, LogLevel.Warning, "The progress of a job could not be written; its end is.")]
    public static partial void ProgressNotWritten(this ILogger logger, Exception exception);

    [LoggerMessage(1404, LogLevel.Warning, "The queue '{Queue}' dead-letters a message after {MaxDeliveries} deliveries (maxDeliveries): jobs and schedules whose own retry policies ask for more attempts get so many, and have failed then.")]
    public static partial void JobQueueBound(this ILogger logger, string queue, int maxDeliveries);

    [LoggerMessage(1406, LogLevel.Warning, "What is kept of job {MessageId} of queue '{Queue}' could not be read or written: it comes again in {Delay}.")]
    public static partial void JobDocumentsUnavailable(this ILogger logger, Exception exception, MessageId messageId, string queue, TimeSpan delay);

    [LoggerMessage(1407, LogLevel.Warning, "It could not be noted that the message of failed job {Run} is a dead letter: if it is redriven, it may have to be redriven a second time.")]
    public static partial void DeadLetterNotNoted(this ILogger logger, Exception exception, string run);

    [LoggerMessage(1405, LogLevel.Debug, "Removed {Count} documents of jobs that ended more than a day ago.")]
    public static partial void JobDocumentsRemoved(this ILogger logger, int count);

    [LoggerMessage(1410, LogLevel.Warning, "Occurrences of schedule '{Schedule}' are neither waiting nor running any more, and nobody said that they have ended: {Runs}. They no longer hold back others.")]
    public static partial void OccurrencesLost(this ILogger logger, string schedule, string runs);

    [LoggerMessage(1411, LogLevel.Error, "{Count} occurrences of schedule '{Schedule}' cannot be sent, for {Time} by now; it is tried again every {Delay}: {Error}")]
    public static partial void OccurrencesNotSent(this ILogger logger, string schedule, int count, TimeSpan time, TimeSpan delay, string error);

    [LoggerMessage(1412, LogLevel.Warning, "{Count} occurrences of schedule '{Schedule}' were claimed by another node and, as far as is known, not sent; they are sent again.")]
    public static partial void OccurrencesSentAgain(this ILogger logger, string schedule, int count);

    [LoggerMessage(1413, LogLevel.Error, "The schedule '{Schedule}' cannot be read and is not fired. Remove it or define it again.")]
    public static partial void ScheduleUnreadable(this ILogger logger, Exception exception, string schedule);

    [LoggerMessage(1414, LogLevel.Error, "Firing the schedule '{Schedule}' failed and is tried again in {Delay}.")]
    public static partial void ScheduleNotFired(this ILogger logger, Exception exception, string schedule, TimeSpan delay);

    [LoggerMessage(1415, LogLevel.Error, "The schedule '{Schedule}' of {Source} was refused; the others are fired.")]
    public static partial void ScheduleRefused(this ILogger logger, Exception exception, string schedule, string source);

    [LoggerMessage(1416, LogLevel.Information, "The schedule '{Schedule}' was {Change} by {Source}.")]
    public static partial void ScheduleChanged(this ILogger logger, string schedule, string change, string source);

    [LoggerMessage(1418, LogLevel.Warning, "The schedules that {Source} defined before, and does not any more, could not be looked for: they go on. {Error}")]
    public static partial void OrphansNotFound(this ILogger logger, string source, string error);

    [LoggerMessage(1419, LogLevel.Information, "{Count} occurrences of schedule '{Schedule}' that could not be sent for {Time} have been sent.")]
    public static partial void OccurrencesSentAtLast(this ILogger logger, string schedule, int count, TimeSpan time);

    [LoggerMessage(1417, LogLevel.Warning, "{Source} does not define these schedules any more, so they are not fired: {Schedules}. Remove them, or define them again.")]
    public static partial void SchedulesOrphaned(this ILogger logger, string source, string schedules);
}
