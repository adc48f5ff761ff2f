namespace Millrace.Scheduling;

/// <summary>The answer to a job that was enqueued.</summary>
/// <param name="Id">The job: its own id, or that of the live one with the same unique key or id; empty when a middleware suppressed it.</param>
/// <param name="IsDuplicate">Whether another one stands for it, and nothing was enqueued.</param>
public readonly record struct EnqueuedJob(MessageId Id, bool IsDuplicate);
