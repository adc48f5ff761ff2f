using Millrace.Diagnostics;

namespace Millrace.Hosting;

/// <summary>
/// The one lifecycle of background work: start, drain, stop. Every member is safe to call from any thread, any number of times, in any order;
/// a loop that was stopped cannot be started again.
/// </summary>
/// <remarks>
/// Invariants: the body runs at most once at a time. It never starts after a stop was asked for. <see cref="Completion"/> ends exactly once, after the
/// body has, and for a loop that never started when it is stopped.
/// </remarks>
public sealed class BackgroundLoop : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly string _name;
    private readonly Func<LoopTokens, Task> _body;
    private readonly BackgroundLoopOptions _options;

    // Neither is ever disposed: they hold no timer or handle, and a stop may cancel them at any time.
    private readonly CancellationTokenSource _draining = new();
    private readonly CancellationTokenSource _stopping = new();

    // Completion carries a crash; the other one only says that the body is gone, so that waiting for it never throws.
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private Phase _phase;

    /// <summary>A loop that does not run yet.</summary>
    /// <param name="name">What it does, for the log.</param>
    /// <param name="body">The work. It returns when it has nothing left to do, or when it is told to by its tokens.</param>
    /// <param name="options">Defaults unless given.</param>
    /// <exception cref="MillraceConfigurationException">An option is out of range.</exception>
    public BackgroundLoop(string name, Func<LoopTokens, Task> body, BackgroundLoopOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(body);
        _name = name;
        _body = body;
        _options = options ?? new BackgroundLoopOptions();
        _options.Validate();
    }

    private enum Phase
    {
        Created,
        Running,
        Ended,
    }

    /// <summary>Ends when the body has ended for good; fails with the exception of a crash that is not followed by a restart.</summary>
    public Task Completion => _completion.Task;

    /// <summary>Whether a stop has been asked for.</summary>
    public bool IsStopRequested => _draining.IsCancellationRequested;

    /// <summary>Starts the body on the thread pool. Does nothing when it runs already.</summary>
    /// <exception cref="InvalidOperationException">The loop has ended or been stopped.</exception>
    public void Start()
    {
        lock (_gate)
        {
            if (_phase == Phase.Ended || _draining.IsCancellationRequested)
            {
                throw new InvalidOperationException($"'{_name}' has been stopped and cannot be started again. Create a new one.");
            }

            if (_phase == Phase.Running)
            {
                return;
            }

            _phase = Phase.Running;
        }

        // Without the execution context of whoever starts it: his request's values and activity end long before the loop does.
        ThreadPool.UnsafeQueueUserWorkItem(static self => _ = self.RunAsync(), this, preferLocal: true);
    }

    /// <summary>
    /// Asks the body to finish, waits for it, and after <paramref name="drainTimeout"/> tells it to drop everything. Of several calls, the earliest deadline counts.
    /// Not to be awaited by the body itself.
    /// </summary>
    /// <param name="drainTimeout">How long the body may take to finish what it holds: zero for not at all, <see cref="Timeout.InfiniteTimeSpan"/> for as long as it needs.</param>
    /// <param name="cancellationToken">Ends the draining early, as the deadline does.</param>
    /// <returns>How it ended.</returns>
    public async Task<LoopStop> StopAsync(TimeSpan drainTimeout, CancellationToken cancellationToken = default)
    {
        if (drainTimeout != Timeout.InfiniteTimeSpan)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(drainTimeout, TimeSpan.Zero);
        }

        Task signalled;
        lock (_gate)
        {
            // Under the gate, so that a concurrent Start is either before it (and is told to end) or after it (and is refused).
            signalled = _draining.CancelAsync();
            if (_phase == Phase.Created)
            {
                _phase = Phase.Ended;
                _completion.TrySetResult();
                _ended.TrySetResult();
            }
        }

        Observe(signalled);
        if (await EndsWithinAsync(drainTimeout, cancellationToken).ConfigureAwait(false))
        {
            return _stopping.IsCancellationRequested ? LoopStop.Cancelled : LoopStop.Drained;
        }

        Observe(_stopping.CancelAsync());
        if (await EndsWithinAsync(_options.CancelTimeout, CancellationToken.None).ConfigureAwait(false))
        {
            return LoopStop.Cancelled;
        }

        _options.Logger.LoopAbandoned(_name, _options.CancelTimeout);
        return LoopStop.Abandoned;
    }

    /// <summary>Stops without draining.</summary>
    public async ValueTask DisposeAsync() => await StopAsync(TimeSpan.Zero).ConfigureAwait(false);

    private async Task<bool> EndsWithinAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        if (_ended.Task.IsCompleted || timeout == TimeSpan.Zero)
        {
            return _ended.Task.IsCompleted;
        }

        try
        {
            await _ended.Task.WaitAsync(timeout, _options.TimeProvider, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            return _ended.Task.IsCompleted;
        }
    }

    private async Task RunAsync()
    {
        var tokens = new LoopTokens(_draining.Token, _stopping.Token);
        var backoff = new Backoff(_options.RestartDelay, _options.MaxRestartDelay);
        Exception? crash = null;
        while (!_draining.IsCancellationRequested)
        {
            var started = _options.TimeProvider.GetTimestamp();
            try
            {
                await _body(tokens).ConfigureAwait(false);
                break;
            }
            catch (OperationCanceledException) when (_draining.IsCancellationRequested)
            {
                break;
            }
            catch (Exception exception)
            {
                if (!_options.RestartAfterCrash || _draining.IsCancellationRequested)
                {
                    crash = exception;
                    _options.Logger.LoopCrashed(exception, _name);
                    break;
                }

                if (_options.TimeProvider.GetElapsedTime(started) > _options.MaxRestartDelay)
                {
                    backoff.Reset();
                }

                await PauseAsync(exception, backoff.Next()).ConfigureAwait(false);
            }
        }

        End(crash);
    }

    private async Task PauseAsync(Exception crash, TimeSpan delay)
    {
        _options.Logger.LoopRestarts(crash, _name, delay);
        try
        {
            await Task.Delay(delay, _options.TimeProvider, _draining.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The loop's condition sees the stop.
        }
    }

    private void End(Exception? crash)
    {
        lock (_gate)
        {
            _phase = Phase.Ended;
        }

        if (crash is null)
        {
            _completion.TrySetResult();
        }
        else
        {
            _completion.TrySetException(crash);

            // It has been logged; a caller who does not look at Completion must not meet it again as an unobserved exception.
            _ = _completion.Task.Exception;
        }

        // Last: whoever a stop has returned to sees the loop completed.
        _ended.TrySetResult();
    }

    private void Observe(Task signalled) =>
        signalled.ContinueWith(
            task => _options.Logger.LoopStopCallbackFailed(task.Exception!.GetBaseException(), _name),
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
}
