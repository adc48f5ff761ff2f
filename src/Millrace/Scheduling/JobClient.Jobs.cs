using System.Diagnostics.CodeAnalysis;
using Millrace.Scheduling.Jobs;
using Millrace.Storage;

namespace Millrace.Scheduling;

/// <summary>What is done with jobs that were enqueued.</summary>
public sealed partial class JobClient
{
    /// <summary>
    /// Adds a continuation to a tracked job. If that has ended already, the continuation is enqueued now, or never if it was to follow another end.
    /// </summary>
    /// <typeparam name="TNext">The type of the next job.</typeparam>
    /// <param name="parent">The tracked job.</param>
    /// <param name="next">The next job.</param>
    /// <param name="on">After which end.</param>
    /// <param name="options">The wishes for the next job; null for none.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The id that the next job has, or will have.</returns>
    /// <exception cref="InvalidMessageException">The parent is not tracked, or not known any more.</exception>
    public async ValueTask<MessageId> ContinueWithAsync<[DynamicallyAccessedMembers(MessageType.Members)] TNext>(
        MessageId parent, TNext next, ContinuationOn on = ContinuationOn.Succeeded, JobOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(next);
        var wishes = options ?? new JobOptions();
        var followUp = await _senders.Get<TNext>(wishes.Queue).CaptureAsync(next, on, wishes, cancellationToken).ConfigureAwait(false);
        var run = parent.ToString();
        var id = followUp.Id ?? JobFollowUps.NewIdOf(followUp.Job, run);
        followUp = followUp with { Id = id };
        if (await TrackedJob.FindAsync(_environment, run, cancellationToken).ConfigureAwait(false) is not { Document.Untracked: false } tracked)
        {
            throw new InvalidMessageException(
                $"The continuation was refused: there is no tracked job '{run}'. Enqueue the parent with Track = true, or give the continuation when it is enqueued (JobOptions.Then).");
        }

        await tracked.ChangeAsync(document => document.Ended is null ? document with { Next = [.. document.Next ?? [], followUp] } : null, cancellationToken).ConfigureAwait(false);
        if (tracked.Document.Ended is { } ended && JobFollowUps.Follows(followUp, ended.Outcome))
        {
            await _followUps.EnqueueAsync(followUp, id, ended: null, cancellationToken).ConfigureAwait(false);
        }

        return id;
    }

    /// <summary>
    /// Cancels a job. One that waits does not run; one that runs has its token cancelled and counts as cancelled when it then ends with an exception. It ends as others do: continuations that
    /// follow a failure are enqueued.
    /// </summary>
    /// <param name="id">The job.</param>
    /// <param name="queue">Its queue; not needed for tracked jobs.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async ValueTask<CancelOutcome> CancelAsync(MessageId id, string? queue = null, CancellationToken cancellationToken = default)
    {
        var key = id.ToString();
        var tracked = await FindTrackedAsync(key, cancellationToken).ConfigureAwait(false);
        if (tracked is { Ended: not null })
        {
            return CancelOutcome.NotFound;
        }

        var from = tracked?.Queue ?? queue ?? ScheduleDefinition.DefaultQueue;
        var admin = _environment.Client.Require<IQueueAdmin>();
        var found = await _environment.FindAsync(from, id, cancellationToken).ConfigureAwait(false);
        if (found is null)
        {
            return CancelOutcome.NotFound;
        }

        var isPlain = !found.Message.Headers.TryGetValue(JobMessage.OptionsHeader, out var terms) || JobMessage.TryReadDueOnly(terms, out _);
        if (isPlain && found.State != MessageState.Leased)
        {
            switch (await admin.RemoveMessageAsync(from, id, cancellationToken).ConfigureAwait(false))
            {
                case MessageChange.Done:
                    await MoveBackAsync(key, before: null).ConfigureAwait(false);
                    await _environment.Runs.AppendAsync(CancelledRecord(found, from)).ConfigureAwait(false);
                    return CancelOutcome.Cancelled;
                case MessageChange.NotFound:
                    return CancelOutcome.NotFound;
            }
        }

        // The others have documents, continuations or a batch: a worker ends them in order, without running them.
        await JobMarks.CancelAsync(_environment.State, key, _environment.Now, cancellationToken).ConfigureAwait(false);
        if (isPlain || found.State == MessageState.Leased)
        {
            return CancelOutcome.Requested;
        }

        return found.State == MessageState.Scheduled && await admin.RescheduleMessageAsync(from, id, TimeSpan.Zero, cancellationToken).ConfigureAwait(false) == MessageChange.Leased
            ? CancelOutcome.Requested
            : CancelOutcome.Cancelled;
    }

    /// <summary>Makes a job that waits due after a while.</summary>
    /// <param name="id">The job.</param>
    /// <param name="delay">How long until it is due; zero: now.</param>
    /// <param name="queue">Its queue; not needed for tracked jobs.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>False when it runs, has ended, or is not known.</returns>
    public async ValueTask<bool> RescheduleAsync(MessageId id, TimeSpan delay, string? queue = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        var key = id.ToString();
        var tracked = await FindTrackedAsync(key, cancellationToken).ConfigureAwait(false);
        var dueAt = _environment.Now + delay;
        var before = await MoveAsync(key, dueAt, cancellationToken).ConfigureAwait(false);
        var isMoved = false;
        try
        {
            var change = await _environment.Client.Require<IQueueAdmin>()
                .RescheduleMessageAsync(tracked?.Queue ?? queue ?? ScheduleDefinition.DefaultQueue, id, delay, cancellationToken).ConfigureAwait(false);
            isMoved = change == MessageChange.Done;
        }
        catch (QueueNotFoundException)
        {
        }
        finally
        {
            if (!isMoved)
            {
                await MoveBackAsync(key, before).ConfigureAwait(false);
            }
        }

        if (isMoved && tracked is not null && await TrackedJob.FindAsync(_environment, key, cancellationToken).ConfigureAwait(false) is { } job)
        {
            await job.ChangeAsync(document => document.Ended is null ? document with { DueAt = dueAt } : null, cancellationToken).ConfigureAwait(false);
        }

        return isMoved;
    }

    /// <summary>Makes a job that waits due at a time.</summary>
    /// <param name="id">The job.</param>
    /// <param name="dueAt">When it is due, by the client's clock; a time that has passed means now.</param>
    /// <param name="queue">Its queue; not needed for tracked jobs.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>False when it runs, has ended, or is not known.</returns>
    public ValueTask<bool> RescheduleAsync(MessageId id, DateTimeOffset dueAt, string? queue = null, CancellationToken cancellationToken = default)
    {
        var delay = dueAt - _environment.Now;
        return RescheduleAsync(id, delay > TimeSpan.Zero ? delay : TimeSpan.Zero, queue, cancellationToken);
    }

    /// <summary>What is known of a job: by its record if it is tracked, else by its message.</summary>
    /// <param name="id">The job.</param>
    /// <param name="queue">Its queue; not needed for tracked jobs.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>Null when it is not known (any more): a job that is not tracked is forgotten when it has ended well.</returns>
    public async ValueTask<JobInfo?> GetAsync(MessageId id, string? queue = null, CancellationToken cancellationToken = default)
    {
        var tracked = await FindTrackedAsync(id.ToString(), cancellationToken).ConfigureAwait(false);
        if (tracked is not null)
        {
            return tracked.ToInfo(id.ToString());
        }

        var from = queue ?? ScheduleDefinition.DefaultQueue;
        var found = await _environment.FindAsync(from, id, cancellationToken).ConfigureAwait(false);
        var isDead = false;
        if (found is null)
        {
            found = await _environment.FindAsync(ResourceName.DeadLetterQueueOf(from), id, cancellationToken).ConfigureAwait(false);
            isDead = true;
        }

        return found is null ? null : new JobInfo
        {
            Id = id,
            Job = found.Message.Headers.TryGetValue(JobMessage.JobHeader, out var job) ? job : null,
            Queue = from,
            State = isDead ? JobState.Failed : found.State == MessageState.Leased ? JobState.Running : JobState.Waiting,
            Attempt = isDead ? found.Message.DeadLetter?.Attempts ?? 0 : found.Attempts,
            Error = found.LastError ?? found.Message.DeadLetter?.LastError,
            EnqueuedAt = found.Message.EnqueuedAt,
            DueAt = found.DueAt,
            FinishedAt = found.Message.DeadLetter?.At,
        };
    }

    /// <summary>How a batch has ended; null while it has not, and when it is not known (any more).</summary>
    public async ValueTask<JobBatchEnd?> GetBatchAsync(string id, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        return await _batches.FindAsync(id, cancellationToken).ConfigureAwait(false) is { EndedAt: not null } batch
            ? new JobBatchEnd(id, batch.Count, batch.Parts.Values.Sum())
            : null;
    }

    /// <summary>Says when a job is due after it was put to another time: before it is, so that whoever runs it then finds it.</summary>
    /// <returns>When it was due by an earlier such change; null if there was none.</returns>
    private async ValueTask<DateTimeOffset?> MoveAsync(string id, DateTimeOffset dueAt, CancellationToken cancellationToken)
    {
        if (_environment.FoundState is not { } state)
        {
            return null;
        }

        var before = await state.GetAsync(JobKeys.Moves + id, cancellationToken).ConfigureAwait(false);
        await JobMarks.MoveAsync(state, id, dueAt, cancellationToken).ConfigureAwait(false);
        return before is null ? null : JobDocuments.ReadMark(before.Value).At;
    }

    private async ValueTask MoveBackAsync(string id, DateTimeOffset? before)
    {
        if (_environment.FoundState is not { } state)
        {
            return;
        }

        if (before is { } dueAt)
        {
            await JobMarks.MoveAsync(state, id, dueAt, CancellationToken.None).ConfigureAwait(false);
        }
        else
        {
            await new JobMarks(state, JobKeys.Moves, _environment.TimeProvider, static _ => { }).ClearAsync(id, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async ValueTask<JobDocument?> FindTrackedAsync(string id, CancellationToken cancellationToken) =>
        _environment.FoundState is null ? null : (await TrackedJob.FindAsync(_environment, id, cancellationToken).ConfigureAwait(false))?.Document;

    private RunRecord CancelledRecord(BrowsedMessage found, string queue)
    {
        // A message that is still scheduled says itself when it is due, also after it was put to another time; after an attempt it is the time of the next one.
        var message = found.Message;
        var due = found is { State: MessageState.Scheduled, Attempts: 0, DueAt: { } dueAt } ? dueAt
            : message.Headers.TryGetValue(JobMessage.OptionsHeader, out var terms) && JobMessage.TryReadDueOnly(terms, out var milliseconds)
            ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds)
            : message.EnqueuedAt;
        var job = message.Headers.TryGetValue(JobMessage.JobHeader, out var header) ? header : null;
        return new RunRecord
        {
            Run = message.Id.ToString(),
            Job = job is not null && job.IndexOf(';', StringComparison.Ordinal) is >= 0 and var separator ? job[..separator] : job,
            Queue = queue,
            Outcome = RunOutcome.Cancelled,
            ScheduledAt = due,
            FinishedAt = _environment.Now,
            Node = _environment.Node,
            Error = "cancelled",
        };
    }
}
