using Millrace.Storage;

namespace Millrace.Queues;

/// <summary>Why an attempt was cancelled.</summary>
internal enum AttemptCancellation
{
    None,
    LeaseLost,
    Stopping,
    TimedOut,
    Asked,
}

/// <summary>One delivery in a worker, from its arrival to its settlement. Safe for concurrent use.</summary>
internal sealed class WorkerAttempt(Delivery delivery)
{
    private const int Waiting = 0;
    private const int Running = 1;
    private const int Ended = 2;

    // A cancelled attempt is here beyond with its cause, and stays so.
    private const int Cancelled = 16;

    private CancellationTokenSource? _cancellation;
    private int _state;

    public Delivery Delivery { get; } = delivery;

    /// <summary>Whether its handler runs, and nobody has cancelled it.</summary>
    public bool IsRunning => Volatile.Read(ref _state) == Running;

    /// <summary>Begins to handle it. False when it was cancelled while it waited.</summary>
    public bool TryBegin(TimeSpan? timeout, TimeProvider timeProvider, out CancellationToken token)
    {
        var cancellation = timeout is { } time ? new CancellationTokenSource(time, timeProvider) : new CancellationTokenSource();
        token = cancellation.Token;
        _cancellation = cancellation;
        if (Interlocked.CompareExchange(ref _state, Running, Waiting) == Waiting)
        {
            return true;
        }

        cancellation.Dispose();
        token = default;
        return false;
    }

    /// <summary>Cancels it, or keeps it from beginning. The first cause is the one that counts. Handlers' callbacks run elsewhere, and what they throw is given to <paramref name="onError"/>.</summary>
    public void Cancel(AttemptCancellation cause, Action<Exception> onError)
    {
        var cancelled = Cancelled + (int)cause;
        if (Interlocked.CompareExchange(ref _state, cancelled, Waiting) != Waiting && Interlocked.CompareExchange(ref _state, cancelled, Running) == Running)
        {
            _cancellation!.CancelAsync().ContinueWith(
                task => onError(task.Exception!.GetBaseException()),
                CancellationToken.None,
                TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
        }
    }

    /// <summary>The handler has ended. Returns why it was cancelled, if it was.</summary>
    public AttemptCancellation End()
    {
        var before = Interlocked.CompareExchange(ref _state, Ended, Running);
        if (before >= Cancelled)
        {
            // Not disposed: who cancels it may still be about to.
            return (AttemptCancellation)(before - Cancelled);
        }

        var isTimedOut = _cancellation is { IsCancellationRequested: true };
        _cancellation?.Dispose();
        return isTimedOut ? AttemptCancellation.TimedOut : AttemptCancellation.None;
    }
}
