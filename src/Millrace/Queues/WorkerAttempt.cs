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
    private readonly Lock _gate = new();
    private CancellationTokenSource? _cancellation;
    private AttemptCancellation _cause;
    private bool _ended;

    public Delivery Delivery { get; } = delivery;

    /// <summary>Begins to handle it. False when it was cancelled while it waited.</summary>
    public bool TryBegin(TimeSpan? timeout, TimeProvider timeProvider, out CancellationToken token)
    {
        lock (_gate)
        {
            if (_cause != AttemptCancellation.None)
            {
                token = default;
                return false;
            }

            _cancellation = timeout is { } time ? new CancellationTokenSource(time, timeProvider) : new CancellationTokenSource();
            token = _cancellation.Token;
            return true;
        }
    }

    /// <summary>Cancels it, or keeps it from beginning. The first cause is the one that counts. Handlers' callbacks run elsewhere, and what they throw is given to <paramref name="onError"/>.</summary>
    public void Cancel(AttemptCancellation cause, Action<Exception> onError)
    {
        lock (_gate)
        {
            if (_ended || _cause != AttemptCancellation.None)
            {
                return;
            }

            _cause = cause;
            _cancellation?.CancelAsync().ContinueWith(
                task => onError(task.Exception!.GetBaseException()),
                CancellationToken.None,
                TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
        }
    }

    /// <summary>Whether its handler runs.</summary>
    public bool IsRunning
    {
        get
        {
            lock (_gate)
            {
                return _cancellation is not null && !_ended;
            }
        }
    }

    /// <summary>The handler has ended. Returns why it was cancelled, if it was.</summary>
    public AttemptCancellation End()
    {
        lock (_gate)
        {
            _ended = true;
            if (_cause == AttemptCancellation.None && _cancellation is { IsCancellationRequested: true })
            {
                _cause = AttemptCancellation.TimedOut;
            }

            _cancellation?.Dispose();
            return _cause;
        }
    }
}
