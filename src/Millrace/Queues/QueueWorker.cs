using Microsoft.Extensions.Logging;
using Millrace.Diagnostics;
using Millrace.Hosting;
using Millrace.Storage;

namespace Millrace.Queues;

/// <summary>
/// Handles the messages of one queue as they are stored, several at a time: leases through the <see cref="QueueDispatcher"/>, calls the handler, settles by what it says, retries by
/// policy. The typed worker stands on this one. Start it once, stop it once; every member is safe to call from any thread.
/// </summary>
public sealed class QueueWorker : IAsyncDisposable
{
    private readonly Func<Delivery, CancellationToken, ValueTask<HandlingResult>> _handler;
    private readonly QueueDispatchers _dispatchers;
    private readonly QueueDispatcher _dispatcher;
    private readonly QueueWorkerOptions _options;
    private readonly ILogger _logger;
    private readonly BackgroundLoop _loop;
    private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly WorkerInbox _inbox;
    private readonly WorkerCounters _counters = new();
    private readonly Lock _gate = new();
    private Task? _start;

    /// <summary>A worker that does not run yet.</summary>
    /// <param name="dispatchers">Where it leases.</param>
    /// <param name="queue">The queue, or the dead-letter queue of one.</param>
    /// <param name="handler">
    /// Handles one message; called from several threads at once, at most once at a time for one message while its lease holds. Its token ends when the lease is lost, when the
    /// attempt takes too long, and when the worker stops and does not wait any longer. The message's body is valid until the handler returns.
    /// </param>
    /// <param name="options">Defaults unless given.</param>
    /// <exception cref="MillraceConfigurationException">An option is out of range.</exception>
    /// <exception cref="InvalidNameException">The name cannot be a queue's.</exception>
    public QueueWorker(
        QueueDispatchers dispatchers,
        string queue,
        Func<Delivery, CancellationToken, ValueTask<HandlingResult>> handler,
        QueueWorkerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(dispatchers);
        ArgumentNullException.ThrowIfNull(handler);
        _options = options ?? new QueueWorkerOptions();
        _options.Validate();
        _dispatchers = dispatchers;
        _dispatcher = dispatchers.Get(queue);
        _handler = handler;
        _logger = dispatchers.LoggerFactory.CreateLogger("Millrace.Queues.Worker");
        _inbox = new WorkerInbox(OnCallbackError);
        _loop = new BackgroundLoop(
            $"worker of queue '{queue}'",
            RunAsync,
            new BackgroundLoopOptions
            {
                RestartAfterCrash = false,
                TimeProvider = dispatchers.TimeProvider,
                Logger = _logger,

                // The body itself gives its handlers this time, then its settlements; the last part is for handing back.
                CancelTimeout = (_options.CancelTimeout * 2) + TimeSpan.FromSeconds(5),
            });
    }

    /// <summary>The queue.</summary>
    public string Queue => _dispatcher.Queue;

    /// <summary>
    /// Ends when the worker has stopped. Fails when it had to stop because of a fault that is not transient: it then has drained, and holds nothing any more.
    /// </summary>
    public Task Completion => _loop.Completion;

    /// <summary>What the worker has done and holds; a moment's picture.</summary>
    public QueueWorkerStats Stats => _counters.Snapshot(_inbox.Count);

    /// <summary>Starts to work and ends when the queue is open. Does nothing more when it works already.</summary>
    /// <exception cref="MillraceConfigurationException">The retry policy asks for more attempts than the queue allows (law Q7); names both numbers.</exception>
    /// <exception cref="QueueNotFoundException">The queue does not exist, and the store does not create queues on demand.</exception>
    /// <exception cref="InvalidOperationException">The worker has been stopped.</exception>
    public Task StartAsync(CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            if (_loop.IsStopRequested)
            {
                throw new InvalidOperationException($"The worker of queue '{Queue}' has been stopped and cannot be started again. Create a new one.");
            }

            _start ??= StartOnceAsync();
            return _start.WaitAsync(cancellationToken);
        }
    }

    /// <summary>
    /// Stops: takes nothing new, hands back what no handler has begun, waits for the running handlers up to <see cref="QueueWorkerOptions.DrainTimeout"/>, then cancels them
    /// and hands back what they have not finished, without counting the attempt. Safe to call again; a worker that was never started is stopped at once.
    /// </summary>
    /// <param name="cancellationToken">Ends the waiting early, as the timeout does.</param>
    public Task StopAsync(CancellationToken cancellationToken = default) => _loop.StopAsync(_options.DrainTimeout, cancellationToken);

    /// <summary>Stops without waiting for handlers: they are cancelled at once.</summary>
    public ValueTask DisposeAsync() => _loop.DisposeAsync();

    /// <summary>Where settlements are measured; nowhere unless set.</summary>
    internal MillraceTelemetry? Telemetry { get; init; }

    /// <summary>What must have happened before a batch of messages whose handlers have ended is settled; nothing unless set. Must not fail.</summary>
    internal Func<ValueTask>? BeforeSettling { get; init; }

    /// <summary>Told of each message after it has been settled, or its lease was found to be lost; nobody unless set. Must not fail or wait.</summary>
    internal Action<Message, AttemptOutcome, SettleResult>? Settled { get; init; }

    /// <summary>Cancels the handler of a message, if it runs here.</summary>
    internal void CancelRunning(MessageId id) => _inbox.CancelRunning(id);

    private async Task StartOnceAsync()
    {
        await RequirePolicyFitsAsync().ConfigureAwait(false);
        _loop.Start();

        // A stop that comes at once keeps the body from running at all.
        if (await Task.WhenAny(_opened.Task, _loop.Completion).ConfigureAwait(false) != _opened.Task)
        {
            _opened.TrySetException(new InvalidOperationException($"The worker of queue '{Queue}' was stopped while it started."));
        }

        await _opened.Task.ConfigureAwait(false);
    }

    private async Task RequirePolicyFitsAsync()
    {
        // Dead-letter queues have no bound; a store that counts no attempts, or whose settings cannot be read, has none that could be exceeded.
        if (_options.RetryPolicy.MaxAttempts is not { } attempts
            || ResourceName.IsDeadLetterQueue(Queue)
            || _dispatchers.Store is not IQueueAdmin admin
            || !_dispatchers.Store.Capabilities.Has(QueueFeatures.CountsAttempts))
        {
            return;
        }

        QueueSettings settings;
        try
        {
            settings = await admin.GetSettingsAsync(Queue).ConfigureAwait(false);
        }
        catch (QueueNotFoundException)
        {
            // It is created with these when the receiver opens, or that fails.
            settings = QueueSettings.Default;
        }

        if (attempts > settings.MaxDeliveries)
        {
            throw new MillraceConfigurationException(
                $"The retry policy of the worker of queue '{Queue}' asks for {attempts} attempts, but the queue dead-letters a message after {settings.MaxDeliveries} deliveries (maxDeliveries). "
                + $"Lower the policy to {settings.MaxDeliveries} attempts or fewer, or raise maxDeliveries of the queue.");
        }
    }

    private async Task RunAsync(LoopTokens tokens)
    {
        try
        {
            var consumer = _dispatcher.AddConsumer(_inbox, new DispatchConsumerOptions { Credit = _options.Credit });
            await using (consumer.ConfigureAwait(false))
            {
                var settler = new WorkerSettler(consumer, _dispatchers.Environment, OnSettled, Telemetry, BeforeSettling);
                var slots = new Task[_options.Concurrency];
                for (var i = 0; i < slots.Length; i++)
                {
                    slots[i] = Task.Run(() => HandleAsync(settler), CancellationToken.None);
                }

                // A slot ends only when the inbox is closed, or by a fault: with fewer of them the worker would look alive and hold what nobody handles.
                var slotEnded = Task.WhenAny(slots).Unwrap();
                using var ending = CancellationTokenSource.CreateLinkedTokenSource(tokens.Draining);
                var asked = Task.Delay(Timeout.InfiniteTimeSpan, _dispatchers.TimeProvider, ending.Token);
                var first = await Task.WhenAny(consumer.Opened, consumer.Completion, slotEnded, asked).ConfigureAwait(false);
                if (first == consumer.Opened && consumer.Opened.IsCompletedSuccessfully)
                {
                    _opened.TrySetResult();
                    first = await Task.WhenAny(consumer.Completion, settler.Fault, slotEnded, asked).ConfigureAwait(false);
                }

                await ending.CancelAsync().ConfigureAwait(false);
                await DrainAsync(consumer, settler, EndOfAsync(slots), tokens).ConfigureAwait(false);
                if (first == asked && slotEnded.IsFaulted)
                {
                    first = slotEnded;
                }

                if (first != asked && !first.IsCanceled)
                {
                    // The fault that ended the work ends the worker; a dispatcher that was drained under it is no fault.
                    await first.ConfigureAwait(false);
                }
            }
        }
        catch (Exception exception) when (_opened.TrySetException(exception))
        {
            _ = _opened.Task.Exception;
            throw;
        }
    }

    /// <summary>Ends when all slots have, and never fails: a drain goes on when one of them has died.</summary>
    private static async Task EndOfAsync(Task[] slots) => await Task.WhenAll(slots).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private async Task DrainAsync(DispatchConsumer consumer, WorkerSettler settler, Task slots, LoopTokens tokens)
    {
        consumer.SetCredit(0);
        _inbox.Close();
        while (_inbox.Waiting.TryRead(out var waiting))
        {
            Settle(settler, waiting, HandlingResult.Return);
        }

        // A worker that was asked to stop is told by its loop when the time is over; one that stops because of a fault keeps the time itself.
        var limit = tokens.Draining.IsCancellationRequested ? Timeout.InfiniteTimeSpan : _options.DrainTimeout;
        if (!await EndsWithinAsync(slots, limit, tokens.Stopping).ConfigureAwait(false))
        {
            _inbox.CancelAll();
            if (!await EndsWithinAsync(slots, _options.CancelTimeout, CancellationToken.None).ConfigureAwait(false))
            {
                _logger.HandlersAbandoned(_counters.Running, Queue, _options.CancelTimeout);
            }
        }

        // Settlements are given as long as handlers were; what the store has not taken by then goes back when the consumer is closed.
        var settling = settler.WhenFlushedAsync();
        if (!await EndsWithinAsync(settling, limit, tokens.Stopping).ConfigureAwait(false))
        {
            await EndsWithinAsync(settling, _options.CancelTimeout, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async Task<bool> EndsWithinAsync(Task task, TimeSpan limit, CancellationToken cancellationToken)
    {
        try
        {
            await task.WaitAsync(limit, _dispatchers.TimeProvider, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            // It may have ended between the limit and here; what it ended with counts then.
            return task.IsCompleted && await Succeeded(task).ConfigureAwait(false);
        }

        static async Task<bool> Succeeded(Task task)
        {
            await task.ConfigureAwait(false);
            return true;
        }
    }

    private async Task HandleAsync(WorkerSettler settler)
    {
        while (await _inbox.Waiting.WaitToReadAsync().ConfigureAwait(false))
        {
            while (_inbox.Waiting.TryRead(out var attempt))
            {
                // Once closed, what waits goes back: the order to stop must not start anything.
                var result = _inbox.IsClosed ? HandlingResult.Return : await AttemptAsync(attempt).ConfigureAwait(false);
                Settle(settler, attempt, result);
            }
        }
    }

    private async ValueTask<HandlingResult> AttemptAsync(WorkerAttempt attempt)
    {
        _counters.HandlerBegins();
        try
        {
            if (!attempt.TryBegin(_options.AttemptTimeout, _dispatchers.TimeProvider, out var token))
            {
                return HandlingResult.Return;
            }

            var result = await _handler(attempt.Delivery, token).ConfigureAwait(false);
            attempt.End();
            return result;
        }
        catch (Exception exception)
        {
            switch (attempt.End())
            {
                case AttemptCancellation.TimedOut:
                    return HandlingResult.Fail(new TimeoutException(
                        $"The attempt was cancelled because it took longer than {_options.AttemptTimeout} ({exception.GetType().Name}: {exception.Message})", exception));
                case AttemptCancellation.Stopping when exception is OperationCanceledException:
                    return HandlingResult.Return;
                default:
                    _logger.AttemptFailed(exception, attempt.Delivery.Message.Id, Queue, attempt.Delivery.Attempt);
                    return HandlingResult.Fail(exception);
            }
        }
        finally
        {
            _counters.HandlerEnds();
        }
    }

    private void Settle(WorkerSettler settler, WorkerAttempt attempt, in HandlingResult result)
    {
        AttemptVerdict verdict;
        try
        {
            verdict = VerdictOf(attempt, result);
        }
        catch (Exception exception)
        {
            // For instance an exception that cannot say what it is. The message has failed with it; the handler slot must go on.
            verdict = VerdictOf(attempt, HandlingResult.Fail(exception));
        }

        settler.Add(attempt, verdict);
    }

    private AttemptVerdict VerdictOf(WorkerAttempt attempt, in HandlingResult result) =>
        AttemptVerdict.Of(attempt.Delivery, result, _options.RetryPolicy, _dispatchers.Store.Capabilities.MaxDelay, Random.Shared);

    private void OnSettled(WorkerAttempt attempt, AttemptOutcome outcome, SettleResult result)
    {
        _inbox.Remove(attempt);
        _counters.Settled(outcome, result);
        Telemetry?.Settled(Queue, outcome, result);
        Settled?.Invoke(attempt.Delivery.Message, outcome, result);
        if (result == SettleResult.LeaseLost)
        {
            _logger.LeaseLost(attempt.Delivery.Message.Id, Queue, attempt.Delivery.Attempt);
        }
    }

    private void OnCallbackError(Exception exception) => _logger.CancellationCallbackFailed(exception, Queue);
}
