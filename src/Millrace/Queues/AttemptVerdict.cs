using Millrace.Storage;

namespace Millrace.Queues;

/// <summary>What became of an attempt, for the counters.</summary>
internal enum AttemptOutcome
{
    Handled,
    Retried,
    DeadLettered,
    Returned,
}

/// <summary>Turns what a handler said into a settlement: the one place where a retry policy is applied. No I/O and no clock.</summary>
internal readonly record struct AttemptVerdict(Settlement Settlement, AttemptOutcome Outcome)
{
    /// <summary>The reason of a message that used up the attempts of its worker's policy.</summary>
    public const string MaxAttemptsReason = "max-attempts";

    /// <summary>The reason of a message that failed in a way that its worker's policy does not retry.</summary>
    public const string NotRetryableReason = "not-retryable";

    /// <summary>The reason of a message whose worker's own delay function threw.</summary>
    public const string PolicyFailedReason = "retry-policy-failed";

    /// <summary>Errors are kept with the message and shown in lists: enough to recognise one, not a dump.</summary>
    public const int MaxErrorLength = 2_000;

    private const int MaxReasonLength = 200;

    /// <summary>Judges an attempt.</summary>
    /// <param name="delivery">The delivery.</param>
    /// <param name="result">What its handler said.</param>
    /// <param name="policy">The policy.</param>
    /// <param name="maxDelay">The longest delay that the store takes.</param>
    /// <param name="random">The source of jitter.</param>
    public static AttemptVerdict Of(in Delivery delivery, in HandlingResult result, RetryPolicy policy, TimeSpan maxDelay, Random random)
    {
        var token = delivery.Token;
        var error = Shortened(result.Error ?? (result.Exception is { } failure ? Describe(failure) : null), MaxErrorLength);
        switch (result.Kind)
        {
            case HandlingResult.Outcome.Complete:
                return new(Settlement.Complete(token), AttemptOutcome.Handled);
            case HandlingResult.Outcome.Return:
                return new(Settlement.Release(token, countAttempt: false), AttemptOutcome.Returned);
            case HandlingResult.Outcome.Postpone:
                return new(Settlement.Release(token, result.Delay < maxDelay ? result.Delay : maxDelay, countAttempt: false), AttemptOutcome.Returned);
            case HandlingResult.Outcome.DeadLetter:
                return Dead(token, Shortened(result.Reason, MaxReasonLength)!, error);
        }

        if (result.Exception is not null && !IsRetryable(policy, result.Exception))
        {
            return Dead(token, NotRetryableReason, error);
        }

        if (policy.MaxAttempts <= delivery.Attempt)
        {
            return Dead(token, MaxAttemptsReason, error);
        }

        TimeSpan delay;
        try
        {
            delay = result.Kind == HandlingResult.Outcome.RetryAfter ? result.Delay : policy.GetDelay(Math.Max(1, delivery.Attempt), result.Exception, random);
        }
        catch (Exception exception)
        {
            return Dead(token, PolicyFailedReason, Shortened($"{Describe(exception)} (while choosing a delay after: {error})", MaxErrorLength));
        }

        return new(Settlement.Release(token, delay < maxDelay ? delay : maxDelay, countAttempt: true, error), AttemptOutcome.Retried);
    }

    /// <summary>Type and message, without a stack trace: the error leaves the process.</summary>
    public static string Describe(Exception exception)
    {
        var shown = exception is AggregateException { InnerExceptions.Count: 1 } aggregate ? aggregate.InnerExceptions[0] : exception;
        return $"{shown.GetType().FullName}: {shown.Message}";
    }

    private static AttemptVerdict Dead(LeaseToken token, string reason, string? error) => new(Settlement.DeadLetter(token, reason, error), AttemptOutcome.DeadLettered);

    private static bool IsRetryable(RetryPolicy policy, Exception exception)
    {
        try
        {
            return policy.IsRetryable(exception);
        }
        catch (Exception)
        {
            // A condition that cannot judge a failure does not ask for a retry; the message keeps the failure itself.
            return false;
        }
    }

    /// <summary>The text, or its beginning.</summary>
    public static string? Shortened(string? text, int length)
    {
        if (text is null || text.Length <= length)
        {
            return text;
        }

        // Not between the halves of a surrogate pair, which would have no UTF-8 form.
        var end = char.IsHighSurrogate(text[length - 2]) ? length - 2 : length - 1;
        return string.Concat(text.AsSpan(0, end), "…");
    }
}
