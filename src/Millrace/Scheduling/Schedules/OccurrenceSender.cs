using Millrace.Scheduling.Jobs;
using Millrace.Storage;

namespace Millrace.Scheduling.Schedules;

/// <summary>Puts occurrences into their queues, and knows what has become of them there. Safe for concurrent use.</summary>
/// <param name="queues">The queues.</param>
/// <param name="admin">Their administration; null where there is none: then nobody can tell what has become of a message.</param>
/// <param name="cancel">Marks a run as cancelled.</param>
/// <param name="record">Adds to the history.</param>
/// <param name="timeProvider">The clock.</param>
/// <param name="node">The name of this node, for the history.</param>
internal sealed class OccurrenceSender(
    IQueueStore queues,
    IQueueAdmin? admin,
    Func<string, CancellationToken, ValueTask> cancel,
    Func<RunRecord, CancellationToken, ValueTask> record,
    TimeProvider timeProvider,
    string node)
{
    private readonly JobQueues _jobQueues = new(admin);

    /// <summary>Whether occurrences that are not to run beside each other are kept apart by their queue.</summary>
    public bool OrdersByKey => queues.Capabilities.Has(QueueFeatures.OrderedKeys);

    /// <summary>Sends occurrences of one schedule, those of one queue in one operation. A repeat of one that lives is found by the queue, where it can.</summary>
    public async ValueTask SendAsync(ScheduleDocument schedule, IReadOnlyList<OpenOccurrence> occurrences, CancellationToken cancellationToken)
    {
        foreach (var queue in occurrences.GroupBy(occurrence => occurrence.Queue, StringComparer.Ordinal))
        {
            if (schedule.Definition.Target is JobTarget)
            {
                await _jobQueues.EnsureAsync(queue.Key, cancellationToken).ConfigureAwait(false);
            }

            var batch = queue.Select(occurrence => MessageOf(schedule, occurrence)).ToArray();
            await queues.EnqueueAsync(queue.Key, batch, default, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The ids of those open occurrences whose message is neither waiting nor being handled any more, though nobody said that they have ended.</summary>
    public async ValueTask<List<string>> FindEndedAsync(IReadOnlyList<OpenOccurrence> occurrences, CancellationToken cancellationToken)
    {
        var ended = new List<string>();
        if (admin is null)
        {
            return ended;
        }

        foreach (var occurrence in occurrences)
        {
            if (occurrence.PendingSince is null && !await LivesAsync(occurrence, cancellationToken).ConfigureAwait(false))
            {
                ended.Add(occurrence.Id);
            }
        }

        return ended;
    }

    /// <summary>Marks runs as cancelled.</summary>
    public async ValueTask CancelAsync(IReadOnlyList<OpenOccurrence> occurrences, CancellationToken cancellationToken)
    {
        foreach (var occurrence in occurrences)
        {
            await cancel(occurrence.Id, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Tells the history of what was skipped.</summary>
    public ValueTask RecordSkippedAsync(ScheduleDocument schedule, IReadOnlyList<SkippedOccurrence> skipped, CancellationToken cancellationToken) => RecordAsync(
        skipped.Select(occurrence => RunRecords.Skipped(
            schedule.Definition,
            ScheduleKeys.OfOccurrence(schedule.Definition.Name, schedule.Version, occurrence.Due),
            occurrence,
            timeProvider.GetUtcNow(),
            node)),
        cancellationToken);

    /// <summary>Tells the history of plain messages that were sent.</summary>
    public ValueTask RecordSentAsync(ScheduleDefinition definition, IReadOnlyList<OpenOccurrence> occurrences, CancellationToken cancellationToken) => RecordAsync(
        occurrences.Select(occurrence => RunRecords.Sent(definition, occurrence, timeProvider.GetUtcNow(), node)), cancellationToken);

    /// <summary>Tells the history of what was claimed, and is not sent because the schedule was changed.</summary>
    public ValueTask RecordSupersededAsync(ScheduleDefinition definition, IReadOnlyList<OpenOccurrence> occurrences, CancellationToken cancellationToken) => RecordAsync(
        occurrences.Select(occurrence => RunRecords.Skipped(
            definition, occurrence.Id, new SkippedOccurrence(occurrence.Due, SkipReason.Superseded), timeProvider.GetUtcNow(), node)),
        cancellationToken);

    // At the same time: they share appends.
    private async ValueTask RecordAsync(IEnumerable<RunRecord> runs, CancellationToken cancellationToken)
    {
        foreach (var recording in runs.Select(run => record(run, cancellationToken)).ToList())
        {
            await recording.ConfigureAwait(false);
        }
    }

    private async ValueTask<bool> LivesAsync(OpenOccurrence occurrence, CancellationToken cancellationToken)
    {
        try
        {
            return await admin!.GetMessageAsync(occurrence.Queue, occurrence.Id, cancellationToken).ConfigureAwait(false) is not null;
        }
        catch (QueueNotFoundException)
        {
            return false;
        }
    }

    private Envelope MessageOf(ScheduleDocument schedule, OpenOccurrence occurrence)
    {
        var message = JobMessage.ForOccurrence(schedule.Definition, schedule.Version, occurrence.Due, occurrence.Id);
        return !OrdersByKey ? message with { Key = null }
            : occurrence.IsInTurn ? message with { Key = schedule.Definition.Name }
            : message;
    }
}
