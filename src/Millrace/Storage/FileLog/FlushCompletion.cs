namespace Millrace.Storage.FileLog;

/// <summary>
/// Completes the waiters of one flush on the thread pool: from one of its threads, each continuation goes to that thread's own queue, which costs far less than handing every one over from outside.
/// </summary>
internal sealed class FlushCompletion(List<FlushWaiter> waiters, Exception? failure) : IThreadPoolWorkItem
{
    public void Start() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    void IThreadPoolWorkItem.Execute()
    {
        foreach (var waiter in waiters)
        {
            waiter.Complete(failure);
        }
    }
}
