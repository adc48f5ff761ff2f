namespace Millrace.Storage;

/// <summary>What a <see cref="GroupCommitter{TOperation}"/> commits into. Its members are called by one committer, one at a time.</summary>
/// <typeparam name="TOperation">The store's operations.</typeparam>
public interface IGroupCommitTarget<TOperation>
    where TOperation : GroupCommitOperation
{
    /// <summary>
    /// Applies all of <paramref name="batch"/>, in order, in one transaction or one write and flush. An operation that cannot be applied is told so by
    /// <see cref="GroupCommitOperation.Fail"/> and leaves no trace. An exception says that nothing of the batch was applied, unless it is a
    /// <see cref="BackendUnavailableException"/> whose <see cref="BackendUnavailableException.MayHaveBeenApplied"/> is set.
    /// </summary>
    /// <param name="batch">At least one operation; valid until the call ends.</param>
    ValueTask CommitAsync(ReadOnlyMemory<TOperation> batch);

    /// <summary>
    /// Whether <paramref name="failure"/> of a whole batch may be the fault of one operation in it: then each is committed again, alone, so that only that one
    /// fails. False for faults that would meet every operation, such as a locked file. Never asked when the batch may have been applied.
    /// </summary>
    bool IsWorthIsolating(Exception failure);
}
