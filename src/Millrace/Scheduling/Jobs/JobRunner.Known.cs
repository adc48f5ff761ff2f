using Millrace.Diagnostics;
using Millrace.Queues;
using Millrace.Scheduling.Limits;
using Millrace.Scheduling.Schedules;
using Millrace.Storage;

namespace Millrace.Scheduling.Jobs;

/// <summary>Jobs of which documents, schedules or limits know.</summary>
internal sealed partial class JobRunner
{
    private const int MostUnknownAttempts = 12;

    private static readonly TimeSpan PauseOfFault = TimeSpan.FromSeconds(2);

    // With 12 attempts that is about half an hour: a rolling deployment should be over by then.
    private static readonly JobRetry UnknownRetry = new() { MaxAttempts = MostUnknownAttempts, Kind = RetryDelay.Exponential, Delay = TimeSpan.FromSeconds(1) };

    private async ValueTask<HandlingResult> HandleKnownAsync(Delivery delivery, string name, CancellationToken cancellationToken)
    {
        try
        {
            return await TryHandleKnownAsync(delivery, name, cancellationToken).ConfigureAwait(false);
        }
        catch (MillraceException exception) when (exception.IsTransient)
        {
            // What a job throws does not come here: it is a document or a lock that could not be had, which is no attempt at the job.
            var delay = PauseOfFault * (0.5 + _environment.Random.NextDouble());
            _logger.JobDocumentsUnavailable(exception, delivery.Message.Id, Queue, delay);
            return HandlingResult.Postpone(delay);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested && IsAmong(Marks, delivery.Message.Id))
        {
            // It was cancelled before it ran, for instance while it waited for a limit: it comes again, and is ended then.
            return HandlingResult.Return;
        }
    }

    private async ValueTask<HandlingResult> TryHandleKnownAsync(Delivery delivery, string name, CancellationToken cancellationToken)
    {
        JobTerms terms;
        try
        {
            terms = JobMessage.TermsOf(delivery.Message.Headers);
        }
        catch (MessageSerializationException exception)
        {
            _logger.MessageRefused(delivery.Message.Id, Queue, MessageSerializationException.DeadLetterReason, exception.Message);
            return HandlingResult.DeadLetter(MessageSerializationException.DeadLetterReason, exception.Message);
        }

        var run = new JobRun(delivery.Message, name, terms);
        if (MayHaveMoved(run.Id, run.DueByMessage))
        {
            run.MovedTo = await Moves!.FindAsync(run.Key, cancellationToken).ConfigureAwait(false);
        }

        if (await _ending.BeginAsync(run, delivery.Attempt, cancellationToken).ConfigureAwait(false) is { } result)
        {
            return result;
        }

        if (run.Ended is { } ended)
        {
            await _ending.EndAsync(run, ended, run.Reason, CancellationToken.None).ConfigureAwait(false);
            return ended.Outcome == RunOutcome.Failed ? DeadLetterOf(ended, run.Reason ?? AttemptVerdict.MaxAttemptsReason) : HandlingResult.Complete;
        }

        if (run.Occurrence is { } occurrence && _gate is not null)
        {
            var verdict = await _gate.BeginAsync(occurrence with { HasStarted = delivery.Attempt > 1, IsRedriven = run.IsRedriven }, cancellationToken).ConfigureAwait(false);
            switch (verdict.Action)
            {
                case OccurrenceAction.Drop:
                    await EndDroppedAsync(run, cancellationToken).ConfigureAwait(false);
                    return HandlingResult.Complete;
                case OccurrenceAction.PutOff:
                    return HandlingResult.Postpone(verdict.Delay);
            }

            run.Definition = verdict.Definition;
        }

        run.IsMarked = Marks is { } marks && await marks.IsMarkedAsync(run.Key, cancellationToken).ConfigureAwait(false);
        if (run.IsMarked)
        {
            return await EndAsync(run, AttemptEnd.Cancelled, cancellationToken).ConfigureAwait(false);
        }

        return _jobs.TryGetValue(name, out var job)
            ? await RunWithinLimitsAsync(run, job, delivery, cancellationToken).ConfigureAwait(false)
            : await RefuseAsync(run, name, delivery, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<HandlingResult> RunWithinLimitsAsync(JobRun run, BoundJob job, Delivery delivery, CancellationToken cancellationToken)
    {
        var retry = run.Definition?.Retry ?? run.Terms.Retry ?? job.Type.Options.Retry;
        if (delivery.Attempt > retry.MaxAttempts)
        {
            return await EndAsync(run, Exhausted(delivery.Attempt), cancellationToken).ConfigureAwait(false);
        }

        if (job.Limits is null)
        {
            return await RunAsync(run, job, delivery, retry, default, cancellationToken).ConfigureAwait(false);
        }

        var entry = await job.Limits.EnterAsync(new LimitKey(delivery.Message.Priority, run.DueAt, run.Id), cancellationToken).ConfigureAwait(false);
        if (entry.Slots is not { } slots)
        {
            return entry.Pause is { } pause ? HandlingResult.Postpone(pause) : HandlingResult.Return;
        }

        await using (slots.ConfigureAwait(false))
        {
            return await RunAsync(run, job, delivery, retry, slots.Lost, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<HandlingResult> RunAsync(
        JobRun run, BoundJob job, Delivery delivery, JobRetry retry, CancellationToken slotLost, CancellationToken cancellationToken)
    {
        var timeout = run.Definition?.Timeout ?? (run.Terms.Timeout is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds) : job.Type.Options.Timeout);
        var context = new JobContext(this, job, run.Id, delivery.Attempt, run.Terms, run.DueAt, ServicesOfAttempt());
        var startedAt = _timeProvider.GetUtcNow();
        var started = _timeProvider.GetTimestamp();
        JobProgress? progress = null;
        if (run.Tracked is { } tracked)
        {
            await tracked.ChangeAsync(
                document => document.Ended is null ? document with { State = JobState.Running, Attempt = delivery.Attempt, StartedAt = startedAt } : null,
                cancellationToken).ConfigureAwait(false);
            progress = new JobProgress(tracked, delivery.Attempt, _timeProvider, _logger);
            context.Track(progress);
        }

        var end = await AttemptAsync(context, delivery, retry, timeout, slotLost, cancellationToken).ConfigureAwait(false);
        if (end.Outcome is not { } outcome)
        {
            return end.Result;
        }

        var entry = EntryOf(context, outcome, end.Error, startedAt, _timeProvider.GetElapsedTime(started));
        run.IsMarked |= outcome == RunOutcome.Cancelled;
        if (run.Tracked is not null)
        {
            await WriteProgressAsync(run.Tracked, progress!.Close(), outcome == RunOutcome.Retried ? end.Error : null, outcome, cancellationToken).ConfigureAwait(false);
        }

        if (outcome == RunOutcome.Retried)
        {
            _environment.Runs.Add(entry);
            return end.Result;
        }

        await EndAsync(run, entry.ToRecord(), end.Result.Reason).ConfigureAwait(false);
        return end.Result;
    }

    /// <summary>What is written of an attempt besides its end: the progress that was held back, and for one that is repeated that it waits again.</summary>
    private async ValueTask WriteProgressAsync(
        TrackedJob tracked, (double Fraction, string? Text)? progress, string? error, RunOutcome outcome, CancellationToken cancellationToken)
    {
        if (progress is null && outcome != RunOutcome.Retried)
        {
            return;
        }

        await _environment.PersistAsync(
            async token => await tracked.ChangeAsync(
                document => document.Ended is not null ? null : document with
                {
                    State = outcome == RunOutcome.Retried ? JobState.Waiting : document.State,
                    Error = error ?? document.Error,
                    Progress = progress?.Fraction ?? document.Progress,
                    Text = progress is { } reported ? reported.Text : document.Text,
                },
                token).ConfigureAwait(false),
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A job that nobody here knows. During a deployment somebody soon may; its message goes back, a little longer each time.</summary>
    private async ValueTask<HandlingResult> RefuseAsync(JobRun run, string name, Delivery delivery, CancellationToken cancellationToken)
    {
        var error = $"There is no job '{name}' in this worker. Register it (AddJob), or remove the message.";
        if (delivery.Attempt >= MostUnknownAttempts || delivery.Attempt >= await _bound.GetAsync(cancellationToken).ConfigureAwait(false))
        {
            return await EndAsync(run, AttemptEnd.Dead(UnknownJobReason, error), cancellationToken).ConfigureAwait(false);
        }

        _logger.UnknownJob(name, run.Id, Queue, delivery.Attempt);
        return HandlingResult.RetryAfter(UnknownRetry.GetDelay(Math.Max(1, delivery.Attempt), _environment.Random), error);
    }

    /// <summary>Ends a run that does not start.</summary>
    private async ValueTask<HandlingResult> EndAsync(JobRun run, AttemptEnd end, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await EndAsync(run, RecordOf(run, end.Outcome!.Value, end.Error), end.Result.Reason).ConfigureAwait(false);
        return end.Result;
    }

    private async ValueTask EndAsync(JobRun run, RunRecord record, string? reason)
    {
        // Not cancelled with the run: what has ended is to be written as ended.
        await _ending.EndAsync(run, record, reason, CancellationToken.None).ConfigureAwait(false);
        if (run.IsMarked)
        {
            await ClearMarkAsync(run.Key, CancellationToken.None).ConfigureAwait(false);
        }

        if (run.MovedTo is not null)
        {
            await _environment.PersistAsync(token => Moves!.ClearAsync(run.Key, token), CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>Closes the record of a tracked occurrence that does not run: the history has been told, by whoever skipped it.</summary>
    private async ValueTask EndDroppedAsync(JobRun run, CancellationToken cancellationToken)
    {
        if (run.Tracked is { } tracked)
        {
            var skipped = RecordOf(run, RunOutcome.Skipped, "skipped");
            await tracked.ChangeAsync(document => document.Ended is null ? document with { State = JobState.Cancelled, Ended = skipped } : null, cancellationToken).ConfigureAwait(false);
        }
    }

    private RunRecord RecordOf(JobRun run, RunOutcome outcome, string? error) => new()
    {
        Run = run.Key,
        Job = run.Name,
        Schedule = run.Terms.Schedule,
        Queue = Queue,
        Outcome = outcome,
        ScheduledAt = run.DueAt,
        FinishedAt = _timeProvider.GetUtcNow(),
        Node = _environment.Node,
        Error = error,
    };
}
