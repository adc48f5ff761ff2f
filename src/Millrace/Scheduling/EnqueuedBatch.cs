namespace Millrace.Scheduling;

/// <summary>A batch that was started.</summary>
/// <param name="Id">The batch; the run of its completion has it as its parent.</param>
/// <param name="Jobs">Its jobs, in order.</param>
public sealed record EnqueuedBatch(string Id, IReadOnlyList<MessageId> Jobs);
