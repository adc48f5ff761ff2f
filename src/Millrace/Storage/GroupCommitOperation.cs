using System.Threading.Tasks.Sources;

namespace Millrace.Storage;

/// <summary>
/// One operation that a <see cref="GroupCommitter{TOperation}"/> commits together with others. Derived classes hold its input and its result.
/// An object may be used again as soon as the task of its last commit has been awaited, so that a store can pool its operations;
/// it must not be handed in twice at the same time.
/// </summary>
public abstract class GroupCommitOperation : IValueTaskSource
{
    // Continuations never run on the committer's thread: a caller that blocks would stop everybody's commits.
    private ManualResetValueTaskSourceCore<bool> _completion = new() { RunContinuationsAsynchronously = true };

    /// <summary>
    /// How much this operation adds to a commit, in a unit that the store chooses (bytes, as a rule); see <see cref="GroupCommitterOptions.MaxBatchWeight"/>.
    /// Must not change while the operation is with the committer.
    /// </summary>
    public virtual long Weight => 0;

    /// <summary>
    /// Whether this operation needs no flush, so that it need not wait for one: light operations that have gathered are committed before and apart from the others,
    /// turn and turn about. Order holds among the light ones and among the others. Must not change while the operation is with the committer. False unless overridden.
    /// </summary>
    public virtual bool IsLight => false;

    /// <summary>Why this operation failed; null while it has not.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>
    /// Called while a batch is applied: this operation fails, the others go on. It must have changed nothing, or what it changed must have been undone.
    /// </summary>
    public void Fail(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        Failure = exception;
    }

    /// <summary>Called by the committer before the operation is applied a second time, alone. Derived classes forget the result of the first time.</summary>
    protected internal virtual void Restart() => Failure = null;

    internal ValueTask Arm()
    {
        Failure = null;
        _completion.Reset();
        return new ValueTask(this, _completion.Version);
    }

    internal void Complete()
    {
        if (Failure is null)
        {
            _completion.SetResult(true);
        }
        else
        {
            _completion.SetException(Failure);
        }
    }

    void IValueTaskSource.GetResult(short token) => _completion.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _completion.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _completion.OnCompleted(continuation, state, token, flags);
}
