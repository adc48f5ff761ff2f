using Microsoft.Extensions.Logging;
using Millrace.Client;
using Millrace.Storage;

namespace Millrace.Scheduling.Schedules;

/// <summary>The parts of the schedules of one client, put together. Safe for concurrent use.</summary>
/// <param name="state">Where the schedules are kept.</param>
/// <param name="queues">Where occurrences go.</param>
/// <param name="admin">The administration of the queues; null where there is none.</param>
/// <param name="cancel">Marks a run as cancelled.</param>
/// <param name="record">Adds to the history.</param>
/// <param name="node">The name of this node.</param>
/// <param name="timeProvider">The clock.</param>
/// <param name="loggerFactory">Where to log.</param>
internal sealed class ScheduleServices(
    IStateStore state,
    IQueueStore queues,
    IQueueAdmin? admin,
    Func<string, CancellationToken, ValueTask> cancel,
    Func<RunRecord, CancellationToken, ValueTask> record,
    string node,
    TimeProvider timeProvider,
    ILoggerFactory loggerFactory)
{
    private readonly ScheduleStore _store = new(state);
    private readonly ILogger _logger = loggerFactory.CreateLogger("Millrace.Scheduling");
    private ScheduleFirer? _firer;
    private ScheduleClient? _client;

    /// <summary>Defines and shows schedules.</summary>
    public ScheduleClient Client => LazyInitializer.EnsureInitialized(ref _client, () => new ScheduleClient(_store, Firer, timeProvider));

    /// <summary>Lets occurrences run.</summary>
    public OccurrenceGate Gate { get; } = new(new ScheduleStore(state), queues.Capabilities, record, timeProvider, node);

    private ScheduleFirer Firer => LazyInitializer.EnsureInitialized(
        ref _firer, () => new ScheduleFirer(_store, new OccurrenceSender(queues, admin, cancel, record, timeProvider, node), timeProvider, _logger));

    /// <summary>A node that fires the schedules; it does not run yet.</summary>
    /// <param name="options">How to work.</param>
    /// <param name="onStart">Told of the node when it starts.</param>
    /// <param name="onStop">Told of it when it has stopped.</param>
    public Scheduler NewScheduler(SchedulerOptions options, Action<IMessageWorker> onStart, Action<IMessageWorker> onStop)
    {
        options.Validate();
        return new Scheduler(Client, new ScheduleNode(_store, Firer, timeProvider, _logger, options.Concurrency), options, timeProvider, _logger)
        {
            OnStart = onStart,
            OnStop = onStop,
        };
    }
}
