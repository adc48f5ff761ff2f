namespace Millrace.Redis.Queues;

/// <summary>One lease call that waits. Its state is guarded by its signal.</summary>
internal sealed class QueueWaiter(QueueSignal signal, bool isDead)
{
    private TaskCompletionSource _woken = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public bool IsDead { get; } = isDead;

    public LinkedListNode<QueueWaiter>? Node { get; set; }

    /// <summary>Whether it has been told to look and has not begun to.</summary>
    public bool IsWoken { get; private set; }

    /// <summary>Ends when it is woken.</summary>
    public Task Woken => _woken.Task;

    public void WakeLocked()
    {
        IsWoken = true;
        _woken.TrySetResult();
    }

    public void ResetLocked()
    {
        if (IsWoken)
        {
            IsWoken = false;
            _woken = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>Says that a look begins, which what was told before is for.</summary>
    public void LookAgain() => signal.LookAgain(this);
}
