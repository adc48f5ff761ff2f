using Millrace.Client;
using Millrace.Diagnostics;
using Millrace.Hosting;
using Millrace.Queues;
using Millrace.Scheduling.Jobs;
using Millrace.Storage;

namespace Millrace.Scheduling;

/// <summary>
/// Runs the jobs of one queue: those that were enqueued, and the occurrences of schedules. Made by <see cref="MillraceClient.JobWorker(JobWorkerOptions?)"/>; start it once, stop it once. Safe for concurrent
/// use. Disposing stops it without waiting for jobs.
/// </summary>
public sealed class JobWorker : IMessageWorker
{
    private readonly JobEnvironment _environment;
    private readonly JobRunner _runner;
    private readonly QueueWorker _worker;
    private readonly DeadLetterNotes _notes;
    private readonly WorkerLifetime _lifetime;
    private readonly List<BackgroundLoop> _loops = [];
    private readonly Lock _gate = new();
    private Task? _start;

    internal JobWorker(MillraceClient client, JobEnvironment environment, JobRunner runner, JobWorkerOptions options, MillraceTelemetry telemetry)
    {
        (_environment, _runner, _notes) = (environment, runner, new DeadLetterNotes(environment));
        _worker = new QueueWorker(client.Dispatchers, options.Queue, runner.HandleAsync, options.ToQueueWorkerOptions())
        {
            Telemetry = telemetry,
            Settled = OnSettled,
            BeforeSettling = environment.Runs.IsEnabled ? environment.Runs.FlushAsync : null,
        };
        _lifetime = new WorkerLifetime(client, this, _worker) { Begin = BeginAsync, Stopping = runner.StopWaiting, End = EndLoopsAsync };
        if (environment.FoundState is { } state)
        {
            var marks = new JobMarks(state, JobKeys.Cancels, environment.TimeProvider, id => _worker.CancelRunning(id));
            var moves = new JobMarks(state, JobKeys.Moves, environment.TimeProvider, static _ => { });
            (runner.Marks, runner.Moves) = (marks, moves);
            _loops.Add(LoopOf($"cancellation of jobs of queue '{options.Queue}'", marks.WatchAsync));
            _loops.Add(LoopOf($"new times of jobs of queue '{options.Queue}'", moves.WatchAsync));
            _loops.Add(LoopOf("removal of old documents of jobs", new JobSweeper(environment).RunAsync));
        }
    }

    /// <summary>The queue.</summary>
    public string Queue => _worker.Queue;

    /// <summary>Ends when the worker has stopped. Fails when it had to stop because of a fault that is not transient.</summary>
    public Task Completion => _worker.Completion;

    /// <summary>What the worker has done and holds; a moment's picture.</summary>
    public QueueWorkerStats Stats => _worker.Stats;

    /// <summary>Starts to work, and ends when the queue is open. The queue is created, with settings that suit jobs, if it does not exist.</summary>
    /// <exception cref="MillraceConfigurationException">The retry policy of a registered job asks for more attempts than the queue allows (law Q7); names both numbers.</exception>
    public Task StartAsync(CancellationToken cancellationToken = default) => _lifetime.StartAsync(cancellationToken);

    /// <summary>Stops: takes nothing new, waits for the jobs that run up to <see cref="JobWorkerOptions.DrainTimeout"/>, then cancels them and hands back what is left, without counting an attempt.</summary>
    /// <param name="cancellationToken">Ends the waiting early, as the timeout does.</param>
    public Task StopAsync(CancellationToken cancellationToken = default) => _lifetime.StopAsync(cancellationToken);

    /// <summary>Works until the token is cancelled, then stops as <see cref="StopAsync"/> does and returns.</summary>
    /// <param name="cancellationToken">Says when to stop.</param>
    /// <exception cref="MillraceException">The worker could not start, or met a fault that is not transient.</exception>
    public Task RunAsync(CancellationToken cancellationToken = default) => _lifetime.RunAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _lifetime.CloseAsync();

    private Task BeginAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return (_start ??= StartOnceAsync()).WaitAsync(cancellationToken);
        }
    }

    private async Task StartOnceAsync()
    {
        await _environment.Queues.EnsureAsync(Queue, CancellationToken.None).ConfigureAwait(false);
        await _runner.RequireFitsAsync().ConfigureAwait(false);
        await WarnOfBoundAsync().ConfigureAwait(false);
        if (_runner.Moves is { } moves)
        {
            await moves.LoadAsync().ConfigureAwait(false);
        }

        await _worker.StartAsync().ConfigureAwait(false);
        lock (_gate)
        {
            foreach (var loop in _loops)
            {
                if (!loop.IsStopRequested)
                {
                    loop.Start();
                }
            }
        }
    }

    private async ValueTask WarnOfBoundAsync()
    {
        if (_environment.Admin is { } admin && _environment.Store.Capabilities.Has(QueueFeatures.CountsAttempts))
        {
            var settings = await admin.GetSettingsAsync(Queue).ConfigureAwait(false);
            if (settings.MaxDeliveries < JobQueues.Settings.MaxDeliveries)
            {
                _environment.Logger.JobQueueBound(Queue, settings.MaxDeliveries);
            }
        }
    }

    private void OnSettled(Message message, AttemptOutcome outcome, SettleResult result)
    {
        if (outcome == AttemptOutcome.Returned)
        {
            _runner.WasReturned(message);
        }
        else if (outcome == AttemptOutcome.DeadLettered && result == SettleResult.Settled)
        {
            _notes.Add(message);
        }
    }

    private async ValueTask EndLoopsAsync()
    {
        await _notes.WhenNotedAsync().ConfigureAwait(false);
        foreach (var loop in _loops)
        {
            await loop.DisposeAsync().ConfigureAwait(false);
        }
    }

    private BackgroundLoop LoopOf(string name, Func<LoopTokens, Task> body) =>
        new(name, body, new BackgroundLoopOptions { TimeProvider = _environment.TimeProvider, Logger = _environment.Logger });
}
