namespace Millrace.Queues;

/// <summary>
/// What a worker does with a message whose handler failed: how often it is tried, after which delay, and which failures are worth it. Immutable, safe to share.
/// A retry is data in the message, not a sleeping worker: the message goes back to its queue and becomes due again after the delay.
/// </summary>
/// <remarks>
/// The factories set the delay; <see cref="WithMaxAttempts"/> and the <c>Retry…</c> members return a changed copy:
/// <c>RetryPolicy.Exponential(TimeSpan.FromSeconds(1)).WithMaxAttempts(5).RetryExcept&lt;FormatException&gt;()</c>.
/// </remarks>
public sealed class RetryPolicy
{
    /// <summary>The longest delay that a policy asks for, whatever its arithmetic gives: 30 days.</summary>
    public static readonly TimeSpan LongestDelay = TimeSpan.FromDays(30);

    private readonly Func<int, Exception?, Random, TimeSpan> _delay;
    private readonly Func<Exception, bool> _isRetryable;
    private readonly string _text;

    private RetryPolicy(string text, Func<int, Exception?, Random, TimeSpan> delay, int? maxAttempts, Func<Exception, bool> isRetryable) =>
        (_text, _delay, MaxAttempts, _isRetryable) = (text, delay, maxAttempts, isRetryable);

    /// <summary>Exponential with full jitter, from 1 s up to 5 minutes, as often as the queue's <see cref="Storage.QueueSettings.MaxDeliveries"/> allows.</summary>
    public static RetryPolicy Default { get; } = Exponential(TimeSpan.FromSeconds(1));

    /// <summary>A message gets one attempt; if that fails it is dead-lettered.</summary>
    public static RetryPolicy None { get; } = new("none", static (_, _, _) => TimeSpan.Zero, 1, IsWorthRepeating);

    /// <summary>
    /// How many attempts a message gets in all, the first one included. Null: as many as the queue's <see cref="Storage.QueueSettings.MaxDeliveries"/>, which the store enforces.
    /// A worker whose policy asks for more than the queue allows is refused at start.
    /// </summary>
    public int? MaxAttempts { get; }

    /// <summary>
    /// Exponential with full jitter: after attempt <c>n</c> a uniformly random delay between 0 and <c>min(maxDelay, baseDelay × factor^(n−1))</c>.
    /// </summary>
    /// <param name="baseDelay">The bound of the first delay; positive.</param>
    /// <param name="factor">How fast the bound grows; at least 1. 2 unless given.</param>
    /// <param name="maxDelay">The longest delay; 5 minutes (or <paramref name="baseDelay"/>, if that is longer) unless given.</param>
    public static RetryPolicy Exponential(TimeSpan baseDelay, double factor = 2, TimeSpan? maxDelay = null)
    {
        RequirePositive(baseDelay, nameof(baseDelay));
        if (!(factor >= 1) || double.IsInfinity(factor))
        {
            throw new ArgumentOutOfRangeException(nameof(factor), factor, "The factor must be a finite number of at least 1.");
        }

        var longest = LongestOf(baseDelay, maxDelay);
        return New(
            $"exponential from {baseDelay} by {factor} up to {longest}",
            (attempt, _, random) => TimeSpan.FromTicks((long)(random.NextDouble() * Math.Min(longest.Ticks, baseDelay.Ticks * Math.Pow(factor, attempt - 1)))));
    }

    /// <summary>The same delay after every attempt.</summary>
    /// <param name="delay">Not negative. Zero returns the message to its place at once.</param>
    public static RetryPolicy Fixed(TimeSpan delay)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        return New($"fixed {delay}", (_, _, _) => delay);
    }

    /// <summary>After attempt <c>n</c> the delay <c>min(maxDelay, step × n)</c>.</summary>
    /// <param name="step">By how much the delay grows; positive.</param>
    /// <param name="maxDelay">The longest delay; 5 minutes (or <paramref name="step"/>, if that is longer) unless given.</param>
    public static RetryPolicy Linear(TimeSpan step, TimeSpan? maxDelay = null)
    {
        RequirePositive(step, nameof(step));
        var longest = LongestOf(step, maxDelay);
        return New($"linear by {step} up to {longest}", (attempt, _, _) => TimeSpan.FromTicks((long)Math.Min(longest.Ticks, (double)step.Ticks * attempt)));
    }

    /// <summary>A delay of your own.</summary>
    /// <param name="delay">
    /// Given the number of the attempt that failed, from 1, and what it failed with (null when the handler asked for a retry without an exception), the delay.
    /// Called from several threads at once. A negative delay counts as zero; an exception from it dead-letters the message.
    /// </param>
    public static RetryPolicy Custom(Func<int, Exception?, TimeSpan> delay)
    {
        ArgumentNullException.ThrowIfNull(delay);
        return New("custom", (attempt, exception, _) => delay(attempt, exception));
    }

    /// <summary>This policy with at most so many attempts in all, the first one included.</summary>
    /// <param name="maxAttempts">At least 1.</param>
    public RetryPolicy WithMaxAttempts(int maxAttempts)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxAttempts, 1);
        return new RetryPolicy(_text, _delay, maxAttempts, _isRetryable);
    }

    /// <summary>This policy, for failures that meet a condition only; it replaces the conditions named before. Others are dead-lettered at once.</summary>
    /// <param name="isRetryable">Called from several threads at once. An exception from it counts as false.</param>
    public RetryPolicy RetryWhen(Func<Exception, bool> isRetryable)
    {
        ArgumentNullException.ThrowIfNull(isRetryable);
        return new RetryPolicy(_text, _delay, MaxAttempts, isRetryable);
    }

    /// <summary>This policy, with exceptions of a type (and derived ones) never retried, in addition to what is not retried already.</summary>
    public RetryPolicy RetryExcept<TException>()
        where TException : Exception
    {
        var before = _isRetryable;
        return RetryWhen(exception => exception is not TException && before(exception));
    }

    /// <summary>This policy, with exceptions of a type (and derived ones) retried, in addition to what is retried already.</summary>
    public RetryPolicy RetryAlso<TException>()
        where TException : Exception
    {
        var before = _isRetryable;
        return RetryWhen(exception => exception is TException || before(exception));
    }

    /// <summary>
    /// Whether a failure is worth another attempt. Unless said otherwise everything is, except <see cref="InvalidMessageException"/> (a message that cannot be
    /// read or is not valid stays so) and <see cref="MillraceConfigurationException"/>.
    /// </summary>
    public bool IsRetryable(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        return _isRetryable(exception);
    }

    /// <summary>The delay before the next attempt: between zero and <see cref="LongestDelay"/>.</summary>
    /// <param name="attempt">The attempt that failed, from 1.</param>
    /// <param name="exception">What it failed with; null when there was none.</param>
    /// <param name="random">The source of jitter; with the same seed the same delays.</param>
    public TimeSpan GetDelay(int attempt, Exception? exception, Random random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(attempt, 1);
        ArgumentNullException.ThrowIfNull(random);
        var delay = _delay(attempt, exception, random);
        return delay < TimeSpan.Zero ? TimeSpan.Zero : delay > LongestDelay ? LongestDelay : delay;
    }

    /// <summary>The policy in words, for logs.</summary>
    public override string ToString() => MaxAttempts is { } attempts ? $"{_text}, {attempts} attempts" : _text;

    private static RetryPolicy New(string text, Func<int, Exception?, Random, TimeSpan> delay) => new(text, delay, null, IsWorthRepeating);

    private static bool IsWorthRepeating(Exception exception) => exception is not (InvalidMessageException or MillraceConfigurationException);

    private static TimeSpan LongestOf(TimeSpan first, TimeSpan? maxDelay)
    {
        var longest = maxDelay ?? (first > TimeSpan.FromMinutes(5) ? first : TimeSpan.FromMinutes(5));
        ArgumentOutOfRangeException.ThrowIfLessThan(longest, first, nameof(maxDelay));
        return longest;
    }

    private static void RequirePositive(TimeSpan value, string name) => ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(value, TimeSpan.Zero, name);
}
