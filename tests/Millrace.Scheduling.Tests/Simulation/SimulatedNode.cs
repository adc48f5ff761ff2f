using Microsoft.Extensions.Logging.Abstractions;
using Millrace.Client;
using Millrace.Scheduling.History;
using Millrace.Scheduling.Jobs;
using Millrace.Scheduling.Schedules;
using Millrace.Storage;

namespace Millrace.Scheduling.Tests.Simulation;

/// <summary>
/// One process: a node that fires schedules, a client of schedules, and a worker of jobs. Does what <see cref="ScheduleNode"/> does, without its threads: looks at each schedule when the last look
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

    private SimulatedNode(IStateStore state, SimulatedMachine machine, OccurrenceLedger ledger, ScheduleFirer firer, ScheduleClient client)
    {
        (_state, _ledger, _firer) = (state, ledger, firer);
        (Machine, Client) = (machine, client);
    }

    public SimulatedMachine Machine { get; }

    public ScheduleClient Client { get; }

    public SimulatedWorker Worker { get; private set; } = null!;

    public bool IsIdle => _tasks.TrueForAll(task => task.IsCompleted) && Worker.IsIdle;

    /// <summary>Whether something was thrown that is no fault of a store.</summary>
    public Exception? Crash => _tasks.Find(task => task.IsFaulted)?.Exception?.GetBaseException() ?? Worker.Crash;

    /// <summary>Starts a process. Everything that it awaits has ended when it is awaited.</summary>
    public static async Task<SimulatedNode> StartAsync(
        string name, IStateStore state, IQueueStore queues, QueueCapabilities capabilities, SimulatedMachine machine, OccurrenceLedger ledger, Random random)
    {
        var nodeState = new SimulatedState(state, machine, ledger);
        var nodeQueues = new SimulatedQueues(queues, machine, ledger, capabilities);
        var store = new ScheduleStore(nodeState);
        var sender = new OccurrenceSender(
            nodeQueues, nodeQueues, (id, token) => JobMarks.CancelAsync(nodeState, id, machine.Time.GetUtcNow(), token), RecordAsync, machine.Time, name);
        var firer = new ScheduleFirer(store, sender, machine.Time, NullLogger.Instance);
        var node = new SimulatedNode(state, machine, ledger, firer, new ScheduleClient(store, firer, machine.Time));
        var gate = new OccurrenceGate(store, capabilities, RecordAsync, machine.Time, name);
        var runner = await RunnerAsync(Backend.Of("simulation", nodeQueues, nodeState), gate, machine, random, token => node.Worker.WorkAsync(token));
        node.Worker = new SimulatedWorker(runner, nodeQueues, machine, ledger, random);
        runner.Marks = new JobMarks(nodeState, JobKeys.Cancels, machine.Time, node.Worker.CancelRunning);
        return node;

        async ValueTask RecordAsync(RunRecord record, CancellationToken cancellationToken)
        {
            await machine.PassAsync(isDone: false);
            ledger.Recorded(record);
            await machine.PassAsync(isDone: true);
        }
    }

    /// <summary>Does what a process does by itself: looks at what is due, and works.</summary>
    public async Task TickAsync()
    {
        if (Machine.IsDead || !Machine.IsAwake)
        {
            return;
        }

        Machine.Time.Ring();
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

    /// <summary>The runner of a real worker, over the stores of this process. It keeps no history: appends of the history wait for each other on threads.</summary>
    private static async Task<JobRunner> RunnerAsync(Backend backend, IOccurrenceGate gate, SimulatedMachine machine, Random random, Func<CancellationToken, Task> work)
    {
        MillraceClientOptions? options = null;
        var client = await MillraceClient.OpenAsync(
            "simulation:",
            configured =>
            {
                options = configured;
                options.Backends = new BackendRegistry();
                options.Backends.Add("simulation", (_, _) => backend);
                options.TimeProvider = machine.Time;
                options.Jobs.Add<SimulatedJob>((_, _, token) => work(token));
            },
            CancellationToken.None);
        var environment = new JobEnvironment(client, options!)
        {
            Runs = new RunAppender(catalog: null, options!.RunHistory, machine.Time, NullLogger.Instance),
            Random = random,
        };
        var uniques = new UniqueJobs(environment);
        var followUps = new JobFollowUps(environment, uniques);
        var ending = new JobEnding(environment, uniques, followUps, new JobBatches(environment, followUps), gate);
        var jobs = options.Jobs.Types.Select(type => new BoundJob(type, client.PipelineOf(ScheduleDefinition.DefaultQueue)));
        return new JobRunner(environment, ScheduleDefinition.DefaultQueue, jobs, ending, gate);
    }

    private sealed class Look(string schedule)
    {
        public string Schedule => schedule;

        public DateTimeOffset? At { get; set; }

        public bool IsBusy { get; set; }

        public bool IsChanged { get; set; }
    }
}
