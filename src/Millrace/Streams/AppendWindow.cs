namespace Millrace.Streams;

/// <summary>The appends that callers began between two flushes: the second one waits for them, also for those that wait for room or for the stream to be opened. Safe for concurrent use.</summary>
internal sealed class AppendWindow
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Exception? _failure;

    // One for the window itself, until it is closed.
    private int _underWay = 1;

    /// <returns>False when it is closed and over: there is a later one.</returns>
    public bool TryEnter()
    {
        var underWay = Volatile.Read(ref _underWay);
        while (underWay > 0)
        {
            var seen = Interlocked.CompareExchange(ref _underWay, underWay + 1, underWay);
            if (seen == underWay)
            {
                return true;
            }

            underWay = seen;
        }

        return false;
    }

    public void Leave(Exception? failure)
    {
        if (failure is not null)
        {
            Interlocked.CompareExchange(ref _failure, failure, null);
        }

        if (Interlocked.Decrement(ref _underWay) == 0)
        {
            _ended.TrySetResult();
        }
    }

    /// <summary>Ends when its appends have. Called once.</summary>
    /// <returns>The fault of an append that failed; null when none did.</returns>
    public async Task<Exception?> CloseAsync()
    {
        Leave(null);
        await _ended.Task.ConfigureAwait(false);
        return _failure;
    }
}
