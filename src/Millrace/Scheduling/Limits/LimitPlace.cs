namespace Millrace.Scheduling.Limits;

/// <summary>A place in a <see cref="LimitLine"/>. Its line changes it, under the line's lock; one job waits in it.</summary>
internal sealed class LimitPlace(LimitKey key)
{
    private volatile TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public LimitKey Key => key;

    /// <summary>Whether the job is the one whose turn it is.</summary>
    public bool IsFirst { get; private set; }

    /// <summary>Whether the job has lost its place: to one that goes before it, or because the worker stops.</summary>
    public bool IsOut { get; private set; }

    /// <summary>Ends when something changes from now on.</summary>
    public Task Changed => _changed.Task;

    public void Set(bool isFirst, bool isOut)
    {
        if ((IsFirst, IsOut) == (isFirst, isOut))
        {
            return;
        }

        (IsFirst, IsOut) = (isFirst, isOut);
        var changed = _changed;
        _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }
}
