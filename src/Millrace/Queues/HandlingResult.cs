namespace Millrace.Queues;

/// <summary>
/// What a handler wants done with its message. An exception from a handler is the same as <see cref="Fail(System.Exception)"/> with it. A plain value; <c>default</c> is <see cref="Complete"/>.
/// </summary>
public readonly record struct HandlingResult
{
    internal enum Outcome
    {
        Complete,
        Fail,
        RetryAfter,
        DeadLetter,
        Return,
        Postpone,
    }

    internal Outcome Kind { get; private init; }

    internal Exception? Exception { get; private init; }

    internal TimeSpan Delay { get; private init; }

    internal string? Reason { get; private init; }

    internal string? Error { get; private init; }

    /// <summary>The message was handled: it is removed.</summary>
    public static HandlingResult Complete => default;

    /// <summary>The message was not handled at all and goes back to its place, without an attempt being counted.</summary>
    public static HandlingResult Return { get; } = new() { Kind = Outcome.Return };

    /// <summary>The message was not handled at all and comes again after a delay, without an attempt being counted: what it needs is not there yet.</summary>
    /// <param name="delay">Not negative.</param>
    public static HandlingResult Postpone(TimeSpan delay)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        return new() { Kind = Outcome.Postpone, Delay = delay };
    }

    /// <summary>The attempt failed; the worker's <see cref="RetryPolicy"/> decides what follows.</summary>
    public static HandlingResult Fail(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        return new() { Kind = Outcome.Fail, Exception = exception };
    }

    /// <summary>The attempt failed; the worker's <see cref="RetryPolicy"/> decides what follows. Always retryable, up to its attempts.</summary>
    /// <param name="error">What went wrong, kept with the message.</param>
    public static HandlingResult Fail(string error)
    {
        ArgumentNullException.ThrowIfNull(error);
        return new() { Kind = Outcome.Fail, Error = error };
    }

    /// <summary>The attempt failed and is repeated after a delay of the handler's choice, unless it was the last one of the <see cref="RetryPolicy"/> or of the queue.</summary>
    /// <param name="delay">Not negative.</param>
    /// <param name="error">What went wrong, kept with the message.</param>
    public static HandlingResult RetryAfter(TimeSpan delay, string? error = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        return new() { Kind = Outcome.RetryAfter, Delay = delay, Error = error };
    }

    /// <summary>The message is moved to the dead-letter queue now.</summary>
    /// <param name="reason">A short word or phrase that people will search for; at most 200 characters are kept.</param>
    /// <param name="error">The details, kept with the message.</param>
    public static HandlingResult DeadLetter(string reason, string? error = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(reason);
        return new() { Kind = Outcome.DeadLetter, Reason = reason, Error = error };
    }
}
