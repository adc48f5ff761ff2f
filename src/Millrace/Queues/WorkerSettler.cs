using Millrace.Diagnostics;
using Millrace.Hosting;
using Millrace.Storage;

namespace Millrace.Queues;

/// <summary>
/// Settles for a worker. What comes while one batch is on its way goes in the next, so that many handlers that finish together share an operation and a lone one does not
/// wait. Transient faults are repeated until the lease is lost. Safe for concurrent use.
/// </summary>
internal sealed class WorkerSettler(
    DispatchConsumer consumer,
    DispatchEnvironment environment,
    Action<WorkerAttempt, AttemptOutcome, SettleResult> onSettled,
    MillraceTelemetry? telemetry = null,
    Func<ValueTask>? beforeSettling = null)
{
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _fault = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private List<Pending> _gathering = [];
    private List<Pending> _spare = [];
    private TaskCompletionSource? _flushed;
    private bool _isFlushing;

    // Of the one flush that runs at a time.
    private Settlement[] _settlements = [];
    private SettleResult[] _results = [];

    /// <summary>Fails when a settlement met a fault that is not transient; never ends otherwise.</summary>
    public Task Fault => _fault.Task;

    /// <summary>Settles an attempt, soon.</summary>
    public void Add(WorkerAttempt attempt, in AttemptVerdict verdict)
    {
        lock (_gate)
        {
            _gathering.Add(new Pending(attempt, verdict));
            if (_isFlushing)
            {
                return;
            }

            _isFlushing = true;
        }

        // On the pool, not here: handlers that end at the same moment get into the first batch already.
        ThreadPool.UnsafeQueueUserWorkItem(static self => _ = self.FlushAsync(), this, preferLocal: false);
    }

    /// <summary>Ends when everything that was added has been settled, or the settler has failed.</summary>
    public Task WhenFlushedAsync()
    {
        lock (_gate)
        {
            if (!_isFlushing)
            {
                return Task.CompletedTask;
            }

            _flushed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return Task.WhenAny(_flushed.Task, _fault.Task);
        }
    }

    private async Task FlushAsync()
    {
        try
        {
            while (Take() is { } batch)
            {
                await SettleAsync(batch).ConfigureAwait(false);
                batch.Clear();
                _spare = batch;
            }
        }
        catch (Exception exception)
        {
            // The settler stays in its flush for ever: what is added from now on goes back when the worker, which now hears of it, closes its consumer.
            environment.Logger.SettlingFailed(exception, consumer.Queue);
            if (_fault.TrySetException(exception))
            {
                _ = _fault.Task.Exception;
            }
        }
    }

    private List<Pending>? Take()
    {
        TaskCompletionSource? flushed;
        lock (_gate)
        {
            if (_gathering.Count > 0)
            {
                var batch = _gathering;
                _gathering = _spare;
                return batch;
            }

            _isFlushing = false;
            flushed = _flushed;
            _flushed = null;
        }

        flushed?.TrySetResult();
        return null;
    }

    private async Task SettleAsync(List<Pending> batch)
    {
        if (beforeSettling is not null)
        {
            await beforeSettling().ConfigureAwait(false);
        }

        if (_settlements.Length < batch.Count)
        {
            _settlements = new Settlement[Math.Max(batch.Count, _settlements.Length * 2)];
            _results = new SettleResult[_settlements.Length];
        }

        var settlements = _settlements.AsMemory(0, batch.Count);
        var results = _results.AsMemory(0, batch.Count);
        for (var i = 0; i < batch.Count; i++)
        {
            settlements.Span[i] = batch[i].Verdict.Settlement;
        }

        var backoff = new Backoff(environment.Options.RetryDelay, Shorter(environment.Options.MaxRetryDelay, environment.Options.LeaseDuration / 6));
        var uncertain = false;
        while (true)
        {
            try
            {
                // Not cancelled by a stop: a message that was handled should not come again.
                await SettleOnceAsync(settlements, results).ConfigureAwait(false);
                break;
            }
            catch (MillraceException exception) when (exception.IsTransient)
            {
                // Once all its leases are lost the batch ends without the store; a lost one before that costs nothing but its place in it.
                uncertain |= exception is BackendUnavailableException { MayHaveBeenApplied: true };
                var delay = backoff.Next();
                environment.Logger.SettlingRetries(exception, settlements.Length, consumer.Queue, delay);
                await Task.Delay(delay, environment.TimeProvider).ConfigureAwait(false);
                if (consumer.IsGone)
                {
                    // The worker has stopped without this batch: its messages were handed back.
                    results.Span.Fill(SettleResult.LeaseLost);
                    break;
                }
            }
        }

        for (var i = 0; i < batch.Count; i++)
        {
            // A settlement that may have been applied by a try whose answer was lost is refused when it is repeated: that is no lost lease.
            var result = uncertain ? SettleResult.Settled : results.Span[i];
            onSettled(batch[i].Attempt, batch[i].Verdict.Outcome, result);
        }

        settlements.Span.Clear();
    }

    private ValueTask SettleOnceAsync(ReadOnlyMemory<Settlement> settlements, Memory<SettleResult> results) =>
        telemetry is null ? consumer.SettleAsync(settlements, results) : telemetry.MeasureSettleAsync(consumer, settlements, results);

    private static TimeSpan Shorter(TimeSpan left, TimeSpan right) => left < right ? left : right;

    private readonly record struct Pending(WorkerAttempt Attempt, AttemptVerdict Verdict);
}
