using Microsoft.Extensions.Logging.Abstractions;
using Millrace.Scheduling.Schedules;
using Millrace.Storage;

namespace Millrace.Scheduling.Tests.Simulation;

/// <summary>
/// One process: a node that fires schedules, a client of schedules, and a worker. Does what <see cref="ScheduleNode"/> does, without its threads: looks at each schedule when the last look
/// said so, when it is told of a change, and at all of them when it starts and now and then.
/// </summary>
internal sealed class SimulatedNode
{
    private static readonly TimeSpan AfterFault = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan BetweenFullReads = TimeSpan.FromMinutes(10);

    private readonly IStateStore _state;
    private readonly OccurrenceLedger _ledger;
    private readonly ScheduleFirer _firer;
    private readonly List<Look> _looks = [];
    private readonly List<Task> _tasks = [];
    private TimeSpan _lastFullRead = -BetweenFullReads;

    public SimulatedNode(string name, IStateStore state, IQueueStore queues, QueueCapabilities capabilities, SimulatedMachine machine, OccurrenceLedger ledger, Random random)
    {
        Machine = machine;
        _state = state;
        _ledger = ledger;
        var nodeState = new SimulatedState(state, machine, ledger);
        var nodeQueues = new SimulatedQueues(queues, machine, ledger, capabilities);
        var store = new ScheduleStore(nodeState);
        var sender = new OccurrenceSender(nodeQueues, nodeQueues, CancelAsync, RecordAsync, machine.Time, name);
        _firer = new ScheduleFirer(store, sender, machine.Time, NullLogger.Instance);
        Client = new ScheduleClient(store, _firer, machine.Time);
        var gate = new OccurrenceGate(store, capabilities, RecordAsync, machine.Time, name);
        Worker = new SimulatedWorker(name, gate, nodeQueues, RecordAsync, machine, ledger, random);
    }

    public SimulatedMachine Machine { get; }

    public ScheduleClient Client { get; }

    public SimulatedWorker Worker { get; }

    public bool IsIdle => _tasks.TrueForAll(task => task.IsCompleted) && Worker.IsIdle;

    /// <summary>Whether something was thrown that is no fault of a store.</summary>
    public Exception? Crash => _tasks.Find(task => task.IsFaulted)?.Exception?.GetBaseException() ?? Worker.Crash;

    /// <summary>Does what a process does by itself: looks at what is due, and works.</summary>
    public async Task TickAsync()
    {
        if (Machine.IsDead || !Machine.IsAwake)
        {
            return;
        }

        if (Machine.Time.Passed - _lastFullRead >= BetweenFullReads)
        {
            _lastFullRead = Machine.Time.Passed;
            await LookAtAllAsync();
        }

        var now = Machine.Time.GetUtcNow();
        foreach (var look in _looks.ToList())
        {
            if (look.At <= now && !look.IsBusy)
            {
                look.IsBusy = true;
                look.IsChanged = false;
                Start(FireAsync(look));
            }
        }

        await Worker.TickAsync();
        _tasks.RemoveAll(task => task.IsCompletedSuccessfully);
    }

    /// <summary>The first thing that a process does.</summary>
    public async Task LookAtAllAsync()
    {
        var page = await _state.ListAsync(ScheduleKeys.DefinitionPrefix, limit: 1000);
        foreach (var document in page.Documents)
        {
            Notice(document.Key[ScheduleKeys.DefinitionPrefix.Length..]);
        }
    }

    public void Notice(string schedule)
    {
        var look = _looks.Find(look => look.Schedule == schedule);
        if (look is null)
        {
            _looks.Add(look = new Look(schedule));
        }

        look.IsChanged = look.IsBusy;
        look.At = Machine.Time.GetUtcNow();
    }

    /// <summary>Has something done by the client of this process; a fault of a store ends it.</summary>
    public void Ask(Func<ScheduleClient, ValueTask> operation) => Start(AskAsync(operation));

    private void Start(Task task) => _tasks.Add(task);

    private async Task AskAsync(Func<ScheduleClient, ValueTask> operation)
    {
        try
        {
            await operation(Client);
        }
        catch (BackendUnavailableException)
        {
            // Whoever asked learns of it.
        }
        catch (QueueFullException)
        {
            // Too many are open.
        }
        catch (MillraceConfigurationException)
        {
            // By a clock that is wrong the schedule may have come to its end.
        }
    }

    private async Task FireAsync(Look look)
    {
        var faults = Machine.Faults;
        try
        {
            var firing = await _firer.FireAsync(look.Schedule, CancellationToken.None);
            _ledger.LookedAt(Machine, look.Schedule, isFaultless: Machine.Faults == faults);
            look.At = firing.NextLook;
            if (!firing.Exists && !look.IsChanged)
            {
                _looks.Remove(look);
            }
        }
        catch (BackendUnavailableException)
        {
            _ledger.LookedAt(Machine, look.Schedule, isFaultless: false);
            look.At = Machine.Time.GetUtcNow() + AfterFault;
        }

        look.IsBusy = false;
        if (look.IsChanged)
        {
            look.At = Machine.Time.GetUtcNow();
        }
    }

    private async ValueTask CancelAsync(string id, CancellationToken cancellationToken)
    {
        await Machine.PassAsync(isDone: false);
        _ledger.Cancelled.Add(id);
    }

    private async ValueTask RecordAsync(RunRecord record, CancellationToken cancellationToken)
    {
        await Machine.PassAsync(isDone: false);
        _ledger.Recorded(record);
        await Machine.PassAsync(isDone: true);
    }

    private sealed class Look(string schedule)
    {
        public string Schedule => schedule;

        public DateTimeOffset? At { get; set; }

        public bool IsBusy { get; set; }

        public bool IsChanged { get; set; }
    }
}
