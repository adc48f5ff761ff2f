using System.Collections.Concurrent;

namespace Millrace.Storage.FileLog;

/// <summary>Threads that write and flush for many logs, because a flush blocks its thread for as long as the disk takes. Safe for concurrent use.</summary>
internal sealed class FlushThreads : IDisposable
{
    private readonly BlockingCollection<Action> _work = [];

    /// <summary>Begins them.</summary>
    /// <param name="count">How many: two, so that one log can be written while another is flushed. None, for tests that do the work themselves: <see cref="RunQueued"/>.</param>
    public FlushThreads(int count = 2)
    {
        for (var i = 0; i < count; i++)
        {
            new Thread(Run) { IsBackground = true, Name = "millrace file flush" }.UnsafeStart();
        }
    }

    /// <summary>Hands in work, which must not throw. Work that is handed in after the threads have ended is done by the caller.</summary>
    public void Enqueue(Action work)
    {
        if (!TryEnqueue(work))
        {
            work();
        }
    }

    /// <summary>Does what was handed in so far, and what that hands in, on the caller's thread.</summary>
    public void RunQueued()
    {
        while (_work.TryTake(out var work))
        {
            work();
        }
    }

    /// <summary>Ends the threads when everything that was handed in is done.</summary>
    public void Dispose() => _work.CompleteAdding();

    private bool TryEnqueue(Action work)
    {
        try
        {
            return !_work.IsAddingCompleted && _work.TryAdd(work);
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private void Run()
    {
        foreach (var work in _work.GetConsumingEnumerable())
        {
            work();
        }
    }
}
