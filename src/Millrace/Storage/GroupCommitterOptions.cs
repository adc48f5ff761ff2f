namespace Millrace.Storage;

/// <summary>The bounds of a <see cref="GroupCommitter{TOperation}"/>. Immutable.</summary>
public sealed record GroupCommitterOptions
{
    /// <summary>What the committer's thread is called; shown in debuggers and errors.</summary>
    public string Name { get; init; } = "group committer";

    /// <summary>How many operations may wait to be committed; callers beyond that wait to hand theirs in. 4,096 unless set.</summary>
    public int Capacity { get; init; } = 4096;

    /// <summary>The most operations of one commit; 1,024 unless set.</summary>
    public int MaxBatch { get; init; } = 1024;

    /// <summary>The most weight of one commit; an operation that is heavier goes alone. 16 Mi unless set.</summary>
    public long MaxBatchWeight { get; init; } = 16 * 1024 * 1024;

    /// <summary>
    /// Whether commits run on a thread of their own, for targets that block it (a flush takes milliseconds, and two of them would hold every pool thread of
    /// a small machine), or on the thread pool, for targets that await. True unless set.
    /// </summary>
    public bool DedicatedThread { get; init; } = true;

    /// <summary>
    /// Whether a caller that comes alone commits on its own thread, which saves it two thread switches: when nothing is being committed, and nobody joined the commit
    /// before. At most one caller's thread is busy so at a time; whoever comes meanwhile is committed by the committer. False unless set.
    /// </summary>
    public bool LoneCallersCommit { get; init; }

    internal void Validate()
    {
        ArgumentException.ThrowIfNullOrEmpty(Name, nameof(Name));
        ArgumentOutOfRangeException.ThrowIfLessThan(Capacity, 1, nameof(Capacity));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxBatch, 1, nameof(MaxBatch));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxBatchWeight, 1, nameof(MaxBatchWeight));
    }
}
