using System.Threading.Tasks.Sources;

namespace Millrace.Redis.Queues;

/// <summary>A call that shares a script with others: the source of the task that its caller awaits. Used again when that task has been awaited.</summary>
internal abstract class LaneCall : IValueTaskSource
{
    private ManualResetValueTaskSourceCore<bool> _source = new() { RunContinuationsAsynchronously = true };

    /// <summary>How much of a script's work the call is, in messages.</summary>
    public abstract int Weight { get; }

    /// <summary>How many bytes it adds to a command.</summary>
    public abstract int Bytes { get; }

    /// <summary>The caller's task. Taken before the call is handed over.</summary>
    public ValueTask Task => new(this, _source.Version);

    public void Complete() => _source.SetResult(true);

    public void Fail(Exception fault) => _source.SetException(fault);

    public void GetResult(short token)
    {
        try
        {
            _source.GetResult(token);
        }
        finally
        {
            _source.Reset();
            Release();
        }
    }

    public ValueTaskSourceStatus GetStatus(short token) => _source.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);

    /// <summary>Forgets the caller's memory.</summary>
    protected abstract void Release();
}
