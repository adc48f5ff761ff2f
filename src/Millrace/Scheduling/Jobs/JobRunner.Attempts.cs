using Millrace.Diagnostics;
using Millrace.Pipeline;
using Millrace.Queues;
using Millrace.Storage;

namespace Millrace.Scheduling.Jobs;

/// <summary>One attempt at a job, and what its end means.</summary>
internal sealed partial class JobRunner
{
    private const string NoJobReason = "no-job";
    private const string UnknownJobReason = "unknown-job";

    private async ValueTask<AttemptEnd> AttemptAsync(
        JobContext run, Delivery delivery, JobRetry retry, TimeSpan? timeout, CancellationToken slotLost, CancellationToken cancellationToken)
    {
        using var overdue = timeout is { } time ? new CancellationTokenSource(time, _timeProvider) : null;
        using var linked = overdue is not null || slotLost.CanBeCanceled
            ? CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, overdue?.Token ?? default, slotLost)
            : null;
        var token = linked?.Token ?? cancellationToken;
        var context = new MessageContext(Queue, delivery, run.Services, token) { Job = run };
        try
        {
            await _pipeline(context, token).ConfigureAwait(false);
            return context.Result == HandlingResult.Complete ? AttemptEnd.Success
                : EndOf(context.Result, run.Attempt, new LastAttempt(retry.MaxAttempts, await BoundAsync(run, retry).ConfigureAwait(false)), retry);
        }
        catch (Exception exception)
        {
            if (token.IsCancellationRequested)
            {
                if (Marks is { IsEmpty: false } marks && marks.Contains(run.Id.ToString()))
                {
                    return AttemptEnd.Cancelled;
                }

                if (overdue is { IsCancellationRequested: true } && !cancellationToken.IsCancellationRequested)
                {
                    exception = new TimeoutException($"The attempt was cancelled because it took longer than {timeout} ({exception.GetType().Name}: {exception.Message})", exception);
                }
                else if (slotLost.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
                {
                    exception = new TimeoutException("The attempt was cancelled because its place under the concurrency limit was lost.", exception);
                }
                else if (cancellationToken.IsCancellationRequested)
                {
                    // The lease is lost, or the worker stops: the worker knows which, and it is no end of this run.
                    throw;
                }
            }

            _logger.AttemptFailed(exception, run.Id, Queue, run.Attempt);
            return EndOf(exception, context.IsAccepted, run.Attempt, new LastAttempt(retry.MaxAttempts, await BoundAsync(run, retry).ConfigureAwait(false)), retry);
        }
        finally
        {
            if (run.Services is AttemptServices services)
            {
                await services.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    /// <summary>Up to how many deliveries the store goes, if that is fewer attempts than the policy asks for and matters now.</summary>
    private async ValueTask<int?> BoundAsync(JobContext run, JobRetry retry) =>
        run.Attempt < retry.MaxAttempts ? await _bound.GetAsync(CancellationToken.None).ConfigureAwait(false) : null;

    /// <summary>What a failure means: a message that cannot be read or is not valid, and a failure that the policy does not repeat, end the job.</summary>
    private AttemptEnd EndOf(Exception exception, bool isAccepted, int attempt, LastAttempt last, JobRetry retry) => exception switch
    {
        MessageSerializationException when !isAccepted => AttemptEnd.Dead(MessageSerializationException.DeadLetterReason, exception.Message),
        MessageValidationException when !isAccepted => AttemptEnd.Dead(MessageValidationException.DeadLetterReason, exception.Message),
        _ when !retry.IsRetryable(exception) => AttemptEnd.Dead(AttemptVerdict.NotRetryableReason, AttemptVerdict.Describe(exception)),
        _ => AgainOrDead(AttemptVerdict.Describe(exception), attempt, last, retry),
    };

    /// <summary>What a job or a middleware said by <see cref="MessageContext.Result"/> instead of an exception.</summary>
    private AttemptEnd EndOf(HandlingResult result, int attempt, LastAttempt last, JobRetry retry) => result.Kind switch
    {
        HandlingResult.Outcome.Fail when result.Exception is { } exception => EndOf(exception, isAccepted: true, attempt, last, retry),
        HandlingResult.Outcome.Fail => AgainOrDead(result.Error, attempt, last, retry),
        HandlingResult.Outcome.RetryAfter when last.ReasonAt(attempt) is { } reason => AttemptEnd.Dead(reason, result.Error),
        HandlingResult.Outcome.RetryAfter => new AttemptEnd(RunOutcome.Retried, result, result.Error),
        HandlingResult.Outcome.DeadLetter => AttemptEnd.Dead(result.Reason!, result.Error),
        _ => new AttemptEnd(Outcome: null, result, Error: null),
    };

    private AttemptEnd AgainOrDead(string? error, int attempt, LastAttempt last, JobRetry retry) => last.ReasonAt(attempt) is { } reason
        ? AttemptEnd.Dead(reason, error)
        : new AttemptEnd(RunOutcome.Retried, HandlingResult.RetryAfter(retry.GetDelay(Math.Max(1, attempt), _environment.Random), error), error);

    /// <summary>The store counts attempts also when the process dies in them: a job that kills its worker ends here.</summary>
    private static AttemptEnd Exhausted(int attempt) =>
        AttemptEnd.Dead(AttemptVerdict.MaxAttemptsReason, $"Attempt {attempt - 1} was the last one, and has not come to an end.");

    /// <summary>What is done with the message of a job of which a document says that it has failed: the same as when it did.</summary>
    private static HandlingResult DeadLetterOf(RunRecord failed, string reason)
    {
        var start = $"{reason}: ";
        return HandlingResult.DeadLetter(
            reason, failed.Error == reason ? null : failed.Error?.StartsWith(start, StringComparison.Ordinal) is true ? failed.Error[start.Length..] : failed.Error);
    }

    /// <summary>Which attempt is the last one.</summary>
    /// <param name="Allowed">By the policy.</param>
    /// <param name="Delivered">By the store, which dead-letters the message after it; null when that is no concern.</param>
    private readonly record struct LastAttempt(int Allowed, int? Delivered)
    {
        /// <summary>The reason of the dead letter if the attempt was the last one.</summary>
        public string? ReasonAt(int attempt) =>
            attempt >= Allowed ? AttemptVerdict.MaxAttemptsReason : attempt >= Delivered ? DeadLetterInfo.MaxDeliveriesReason : null;
    }

    /// <summary>How an attempt has ended.</summary>
    /// <param name="Outcome">For the history; null when it was no attempt at all.</param>
    /// <param name="Result">What is done with the message.</param>
    /// <param name="Error">What went wrong.</param>
    private readonly record struct AttemptEnd(RunOutcome? Outcome, HandlingResult Result, string? Error)
    {
        public static AttemptEnd Success => new(RunOutcome.Succeeded, HandlingResult.Complete, null);

        public static AttemptEnd Cancelled => new(RunOutcome.Cancelled, HandlingResult.Complete, "cancelled");

        public static AttemptEnd Dead(string reason, string? error) =>
            new(RunOutcome.Failed, HandlingResult.DeadLetter(reason, error), error is null ? reason : $"{reason}: {AttemptVerdict.Shortened(error, AttemptVerdict.MaxErrorLength)}");
    }
}
