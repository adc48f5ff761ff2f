using Millrace.Queues;
using Millrace.Scheduling.Schedules;

namespace Millrace.Scheduling.Jobs;

/// <summary>
/// The end of a run, in its order: what follows is enqueued, documents are written, the history is, the occurrence leaves the open ones, what is no longer needed is removed. Each step
/// can be repeated, and is when it meets a transient fault. Safe for concurrent use.
/// </summary>
internal sealed class JobEnding(JobEnvironment environment, UniqueJobs uniques, JobFollowUps followUps, JobBatches batches, IOccurrenceGate? gate)
{
    private const string KeyTakenReason = "unique-key-taken";

    /// <summary>Finds out whether a document says that a run has ended.</summary>
    /// <param name="run">The run.</param>
    /// <param name="attempt">Which counted attempt this is.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>What is to be done with its message if it must not run, and nothing is known of how it ended: all that there was to do has been done.</returns>
    public async ValueTask<HandlingResult?> BeginAsync(JobRun run, int attempt, CancellationToken cancellationToken)
    {
        if (IsDroppedAfterItsEnd(run) && await TrackedJob.FindAsync(environment, run.Key, cancellationToken).ConfigureAwait(false) is { } found)
        {
            if (found.MayBeRedriven(attempt)
                && await WasRedrivenAsync(run, found, cancellationToken).ConfigureAwait(false)
                && await ReopenAsync(run, found, cancellationToken).ConfigureAwait(false) is { } other)
            {
                return HandlingResult.DeadLetter(KeyTakenReason, $"Its unique key '{run.Terms.Unique}' belongs to job {other} by now. Redrive this one when that has ended, or purge it.");
            }

            run.Tracked = found.Document is { Untracked: true, Redriven: false } ? null : found;
            run.Ended = found.Document.Ended;
            run.Reason = found.Document.Reason;
        }

        if (run.Terms.Unique is { } key && run.Ended is null)
        {
            // Without the document it has ended, or another job has taken the key over from it.
            if (await uniques.FindAsync(key, run.Key, cancellationToken).ConfigureAwait(false) is not { } unique)
            {
                return HandlingResult.Complete;
            }

            run.Ended = unique.Ended;
        }

        if (run is { Ended: null, IsRedriven: false } && run.Terms.Batch is { } batch && await batches.HasEndedAsync(batch, run.Terms.Member, cancellationToken).ConfigureAwait(false))
        {
            // It has not failed, for that a record would say. What follows the batch may still have to be enqueued; the rest was, or is lost with the crash.
            await environment.PersistAsync(token => batches.EndAsync(batch, run.Terms.Member, failed: false, token), cancellationToken).ConfigureAwait(false);
            return HandlingResult.Complete;
        }

        return null;
    }

    /// <summary>Ends a run for good.</summary>
    /// <param name="run">The run.</param>
    /// <param name="record">How it ended.</param>
    /// <param name="reason">The reason of its dead letter; for one that has failed.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async ValueTask EndAsync(JobRun run, RunRecord record, string? reason, CancellationToken cancellationToken)
    {
        if (run.Terms.Then is { } then)
        {
            await environment.PersistAsync(token => followUps.EnqueueAsync(then, run.Key, record.Outcome, run.IsRedriven, token), cancellationToken).ConfigureAwait(false);
        }

        if (run.Tracked is { } tracked)
        {
            await environment.PersistAsync(token => EndTrackedAsync(run, tracked, record, reason, token), cancellationToken).ConfigureAwait(false);
        }
        else if (record.Outcome == RunOutcome.Failed && run.Ended is null && IsDroppedAfterItsEnd(run))
        {
            // What follows makes a message that comes again one to be dropped. That of a job that has failed is to be a dead letter, though the worker dies before it says so.
            await environment.PersistAsync(token => TrackedJob.KeepFailureAsync(environment, run, record, reason, token), cancellationToken).ConfigureAwait(false);
        }

        if (run.Terms.Unique is { } key)
        {
            await environment.PersistAsync(token => uniques.EndAsync(key, run.Key, record, token), cancellationToken).ConfigureAwait(false);
        }

        if (run.Terms.Batch is { } batch)
        {
            var failed = record.Outcome != RunOutcome.Succeeded;
            await environment.PersistAsync(token => batches.EndAsync(batch, run.Terms.Member, failed, token), cancellationToken).ConfigureAwait(false);
        }

        await environment.Runs.AppendAsync(record).ConfigureAwait(false);
        if (run.Occurrence is { } occurrence && gate is not null)
        {
            await environment.PersistAsync(token => gate.EndAsync(occurrence, record, token), cancellationToken).ConfigureAwait(false);
        }

        if (run.Terms.Unique is not null)
        {
            await environment.PersistAsync(token => uniques.ReleaseAsync(run.Terms.Unique, run.Key, token), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Whether the message of a job that has failed has come back from the dead letters, as far as can be asked. A delivery that was held up until after its lease brings the number of an
    /// attempt that is over: what counts is the message as it is now.
    /// </summary>
    private async ValueTask<bool> WasRedrivenAsync(JobRun run, TrackedJob failed, CancellationToken cancellationToken) =>
        await environment.IsInQueueAsync(ResourceName.DeadLetterQueueOf(failed.Document.Queue), run.Id, cancellationToken).ConfigureAwait(false) switch
        {
            null => true,
            true => false,
            false => await environment.FindAsync(failed.Document.Queue, run.Id, cancellationToken).ConfigureAwait(false) is { } now && failed.MayBeRedriven(now.Attempts),
        };

    /// <summary>Makes a job that has failed, and whose dead letter was redriven, one that has not ended.</summary>
    /// <returns>The id of the job that has its unique key by now; null when there is none, and it may run.</returns>
    private async ValueTask<string?> ReopenAsync(JobRun run, TrackedJob tracked, CancellationToken cancellationToken)
    {
        if (run.Terms.Unique is { } key && await uniques.ClaimAsync(key, run.Key, tracked.Document.Queue, cancellationToken).ConfigureAwait(false) is { } other)
        {
            return other;
        }

        // What follows a failure has been enqueued when it failed.
        await tracked.ChangeAsync(
            document => document.Ended is null ? null : document with
            {
                State = JobState.Waiting,
                Attempt = 0,
                Error = document.Ended.Error,
                Progress = null,
                Text = null,
                Next = document.Next?.Where(next => !JobFollowUps.Follows(next, RunOutcome.Failed)).ToList(),
                Ended = null,
                Reason = null,
                Buried = false,
                Redriven = true,
            },
            cancellationToken).ConfigureAwait(false);
        return null;
    }

    /// <summary>Whether something beside its message tells of its end, so that the message is dropped when it comes again.</summary>
    private bool IsDroppedAfterItsEnd(JobRun run) => run.Terms is { Track: true } or { Unique: not null } or { Batch: not null } || (run.Occurrence is not null && gate is not null);

    private async ValueTask EndTrackedAsync(JobRun run, TrackedJob tracked, RunRecord record, string? reason, CancellationToken cancellationToken)
    {
        // Each is enqueued before the document says that the job has ended; whoever adds one changes the document, and is seen before it is written.
        var enqueued = 0;
        while (true)
        {
            var next = tracked.Document.Next ?? [];
            for (; enqueued < next.Count; enqueued++)
            {
                if (JobFollowUps.Follows(next[enqueued], record.Outcome))
                {
                    await followUps.EnqueueAsync(next[enqueued], next[enqueued].Id!, ended: null, cancellationToken).ConfigureAwait(false);
                }
            }

            var grown = false;
            await tracked.ChangeAsync(
                document =>
                {
                    grown = (document.Next?.Count ?? 0) > enqueued;
                    return grown || document.Ended is not null
                        ? null
                        : document with { State = StateOf(record.Outcome), Ended = record, Reason = reason, Attempt = Math.Max(document.Attempt, record.Attempt) };
                },
                cancellationToken).ConfigureAwait(false);
            if (!grown)
            {
                return;
            }
        }
    }

    private static JobState StateOf(RunOutcome outcome) => outcome switch
    {
        RunOutcome.Succeeded => JobState.Succeeded,
        RunOutcome.Failed => JobState.Failed,
        _ => JobState.Cancelled,
    };
}
