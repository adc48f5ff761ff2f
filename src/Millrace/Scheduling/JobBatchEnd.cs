namespace Millrace.Scheduling;

/// <summary>How a batch of jobs has ended.</summary>
/// <param name="Id">The batch.</param>
/// <param name="Count">How many jobs it had.</param>
/// <param name="Failed">How many of them failed for good or were cancelled.</param>
public sealed record JobBatchEnd(string Id, int Count, int Failed);
