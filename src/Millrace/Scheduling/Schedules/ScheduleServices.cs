using Microsoft.Extensions.Logging;
using Millrace.Client;
using Millrace.Scheduling.Jobs;

namespace Millrace.Scheduling.Schedules;

/// <summary>The parts of the schedules of one client, put together. Safe for concurrent use.</summary>
internal sealed class ScheduleServices
{
    private readonly ScheduleStore _store;
    private readonly ScheduleFirer _firer;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger _logger;

    /// <summary>The schedules in the state store of an environment, whose occurrences go to its queues.</summary>
    public ScheduleServices(JobEnvironment environment, ILoggerFactory loggerFactory)
    {
        var state = environment.State;
        _timeProvider = environment.TimeProvider;
        _logger = loggerFactory.CreateLogger("Millrace.Scheduling");
        _store = new ScheduleStore(state);
        var sender = new OccurrenceSender(
            environment.Store,
            environment.Admin,
            (run, cancellationToken) => CancelMarks.MarkAsync(state, run, environment.Now, cancellationToken),
            RecordAsync,
            _timeProvider,
            environment.Node);
        _firer = new ScheduleFirer(_store, sender, _timeProvider, _logger);
        Client = new ScheduleClient(_store, _firer, _timeProvider);
        Gate = new OccurrenceGate(_store, environment.Store.Capabilities, RecordAsync, _timeProvider, environment.Node);

        // Never fails, and waits for no longer than a history that fails is tried again.
        ValueTask RecordAsync(RunRecord run, CancellationToken cancellationToken) => environment.Runs.AppendAsync(run);
    }

    /// <summary>Defines and shows schedules.</summary>
    public ScheduleClient Client { get; }

    /// <summary>Lets occurrences run.</summary>
    public OccurrenceGate Gate { get; }

    /// <summary>For an application whose code defines no schedules, and which fires none.</summary>
    public Task DefineNoneAsync(CancellationToken cancellationToken) => Scheduler.DefineNoneAsync(Client, _logger, cancellationToken);

    /// <summary>A node that fires the schedules; it does not run yet.</summary>
    /// <param name="options">How to work.</param>
    /// <param name="onStart">Told of the node when it starts.</param>
    /// <param name="onStop">Told of it when it has stopped.</param>
    public Scheduler NewScheduler(SchedulerOptions options, Action<IMessageWorker> onStart, Action<IMessageWorker> onStop)
    {
        options.Validate();
        return new Scheduler(Client, new ScheduleNode(_store, _firer, _timeProvider, _logger, options.Concurrency), options, _timeProvider, _logger)
        {
            OnStart = onStart,
            OnStop = onStop,
        };
    }
}
