using Millrace.Scheduling.Jobs;
using Millrace.Scheduling.Schedules;
using Millrace.Storage;
using Millrace.Storage.Engine;

namespace Millrace.Scheduling.Tests.Simulation;

/// <summary>
/// One history: three processes over one store, and everything that a seed can do to them. One thread takes all steps, so a seed replays its history exactly.
/// </summary>
internal sealed class SimulatedHistory : IDisposable
{
    private const int Nodes = 3;

    // Short, so that a node can stand still for longer than this often.
    private static readonly TimeSpan DedupWindow = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan LongStep = TimeSpan.FromSeconds(20);

    private readonly Random _random;
    private readonly SimulatedTime _world = new();
    private readonly StateEngine _state = new();
    private readonly TimerHeap _timers;
    private readonly QueueEngine _queues;
    private readonly QueueCapabilities _capabilities;
    private readonly OccurrenceLedger _ledger;
    private readonly SimulatedNode[] _nodes = new SimulatedNode[Nodes];
    private readonly SimulatedSchedule[] _schedules;

    public SimulatedHistory(int seed)
    {
        _random = new Random(seed);
        var clock = new MonotonicClock(_world);
        _timers = new TimerHeap(clock);
        _queues = new QueueEngine(clock, _timers, createsQueues: true);
        _capabilities = _random.Next(3) > 0 ? _queues.Capabilities : _queues.Capabilities with { Features = QueueFeatures.All & ~QueueFeatures.OrderedKeys };
        _ledger = new OccurrenceLedger(_world, SimulatedWorker.Lease) { DefinitionChanged = Announce };
        _schedules = [.. Enumerable.Range(0, _random.Next(2, 5)).Select(i => new SimulatedSchedule($"s{i}", _random, _world.GetUtcNow()))];
    }

    public string Events => string.Join('\n', _ledger.LatestEvents);

    public int Starts => _ledger.Starts;

    public int Skips => _ledger.Skips;

    public int Failures => _ledger.Failed.Count;

    public void Dispose()
    {
        _timers.Dispose();
        _state.Dispose();
    }

    /// <summary>Everything that it awaits has ended when it is awaited, or is the code under test, which is let go step by step.</summary>
    public async Task RunAsync(int steps)
    {
        for (var i = 0; i < Nodes; i++)
        {
            _nodes[i] = await NewNodeAsync(i);
        }

        await _queues.CreateQueueAsync(ScheduleDefinition.DefaultQueue, JobQueues.Settings with { DedupWindow = DedupWindow }, CancellationToken.None);
        foreach (var schedule in _schedules)
        {
            await _nodes[0].Client.PutAsync(schedule.Next(), cancellationToken: CancellationToken.None);
        }

        foreach (var node in _nodes)
        {
            await node.LookAtAllAsync();
            node.Machine.Odds = Odds();
        }

        for (var i = 0; i < steps; i++)
        {
            await StepAsync();
            Check();
        }

        await ComeToRestAsync();
    }

    private async Task StepAsync()
    {
        var place = _random.Next(Nodes);
        var machine = _nodes[place].Machine;
        switch (_random.Next(100))
        {
            case < 40:
                machine.LetOneGo();
                break;
            case < 65:
                await AdvanceAsync(TimeSpan.FromMilliseconds(_random.Next(1, 5_000)));
                break;
            case < 75:
                await AdvanceAsync(TimeSpan.FromSeconds(_random.Next(5, 60)));
                break;
            case < 77:
                await AdvanceFarAsync(TimeSpan.FromMinutes(_random.Next(1, 15)));
                break;
            case < 85:
                Change(_nodes[place], _schedules[_random.Next(_schedules.Length)]);
                break;
            case < 91:
                machine.IsAwake = !machine.IsAwake;
                break;
            case < 94:
                machine.Die();
                _ledger.Note($"node {place} died");
                _nodes[place] = await NewNodeAsync(place);
                await _nodes[place].LookAtAllAsync();
                break;
            case < 96:
                machine.Time.Offset = TimeSpan.FromHours(_random.Next(-1, 2));
                _ledger.Note($"node {place} is {machine.Time.Offset} off");
                break;
            default:
                LetGo(machine, _random.Next(1, 20));
                break;
        }
    }

    private void Change(SimulatedNode node, SimulatedSchedule schedule)
    {
        if (!node.Machine.IsAwake)
        {
            return;
        }

        var name = schedule.Name;
        switch (_random.Next(100))
        {
            case < 35:
                var definition = schedule.Next();
                node.Ask(async client => await client.PutAsync(definition));
                break;
            case < 55:
                node.Ask(async client => await client.PauseAsync(name));
                break;
            case < 75:
                node.Ask(async client => await client.ResumeAsync(name));
                break;
            case < 85:
                node.Ask(async client => await client.RemoveAsync(name));
                break;
            default:
                node.Ask(async client => await client.RunNowAsync(name));
                break;
        }
    }

    private async Task AdvanceAsync(TimeSpan by)
    {
        _world.Advance(by);
        foreach (var node in _nodes)
        {
            await node.TickAsync();
        }
    }

    /// <summary>Those that are awake go on in steps; those that are not stand still all the time.</summary>
    private async Task AdvanceFarAsync(TimeSpan by)
    {
        for (var passed = TimeSpan.Zero; passed < by; passed += LongStep)
        {
            await AdvanceAsync(LongStep);
            foreach (var node in _nodes)
            {
                LetGo(node.Machine, _random.Next(40));
            }

            Check();
        }
    }

    private static void LetGo(SimulatedMachine machine, int count)
    {
        while (count-- > 0 && machine.LetOneGo())
        {
        }
    }

    /// <summary>Clocks are set right, everybody wakes, nothing fails any more; then all that was begun must come to an end.</summary>
    private async Task ComeToRestAsync()
    {
        _ledger.Note("coming to rest");
        foreach (var node in _nodes)
        {
            node.Machine.IsAwake = true;
            node.Machine.Odds = default;
            node.Machine.Time.Offset = TimeSpan.Zero;
            LetGo(node.Machine, int.MaxValue);
        }

        Check();

        // By clocks that were ahead schedules may have been defined, and fired, for an hour from now.
        _world.Advance(TimeSpan.FromHours(1));
        foreach (var node in _nodes)
        {
            await node.LookAtAllAsync();
        }

        await AdvanceFarAsync(TimeSpan.FromMinutes(5));
        foreach (var schedule in _schedules)
        {
            var cursor = await _state.GetAsync(ScheduleKeys.OfCursor(schedule.Name), CancellationToken.None);
            if (await _state.GetAsync(ScheduleKeys.OfDefinition(schedule.Name), CancellationToken.None) is not null)
            {
                _ledger.UpToDate(schedule.Name, cursor is null ? CursorDocument.Empty : ScheduleDocuments.ReadCursor(cursor), _world.GetUtcNow());
            }

            await _nodes[0].Client.PauseAsync(schedule.Name, CancellationToken.None);
        }

        for (var i = 0; i < 1000 && !await IsAtRestAsync(); i++)
        {
            await AdvanceAsync(LongStep);
            Check();
        }

        await RequireAtRestAsync();
        _ledger.AtRest();
        await RequireDeadLettersAsync();
        Check();
    }

    private async Task<bool> IsAtRestAsync()
    {
        var stats = await _queues.GetStatsAsync(ScheduleDefinition.DefaultQueue, CancellationToken.None);
        return stats is { Ready: 0, Scheduled: 0, Leased: 0 } && _nodes.All(node => node.IsIdle) && (await OpenAsync()).Count == 0;
    }

    private async Task RequireAtRestAsync()
    {
        if (!await IsAtRestAsync())
        {
            var stats = await _queues.GetStatsAsync(ScheduleDefinition.DefaultQueue, CancellationToken.None);
            throw new InvalidOperationException(
                $"It did not come to rest: {stats.Ready} ready, {stats.Scheduled} scheduled, {stats.Leased} leased, open [{string.Join(' ', await OpenAsync())}], "
                + $"idle [{string.Join(' ', _nodes.Select(node => node.IsIdle))}].");
        }
    }

    /// <summary>What has failed for good is a dead letter, whoever died before it was one.</summary>
    private async Task RequireDeadLettersAsync()
    {
        foreach (var id in _ledger.Failed)
        {
            if (await _queues.GetMessageAsync(ResourceName.DeadLetterQueueOf(ScheduleDefinition.DefaultQueue), id, CancellationToken.None) is null)
            {
                throw new InvalidOperationException($"{id} has failed, and is no dead letter.");
            }
        }
    }

    /// <summary>The occurrences that schedules say are open.</summary>
    private async Task<List<string>> OpenAsync()
    {
        var open = new List<string>();
        foreach (var schedule in _schedules)
        {
            if (await _state.GetAsync(ScheduleKeys.OfDefinition(schedule.Name), CancellationToken.None) is { } definition
                && await _state.GetAsync(ScheduleKeys.OfCursor(schedule.Name), CancellationToken.None) is { } cursor)
            {
                // What a schedule of the same name has left behind, which was removed, is none of this one's.
                open.AddRange(ScheduleDocuments.ReadCursor(cursor).For(ScheduleDocuments.ReadSchedule(definition)).Open.Select(occurrence => occurrence.Id));
            }
        }

        return open;
    }

    private void Check()
    {
        if (_ledger.Violation is { } violation)
        {
            throw new InvalidOperationException(violation);
        }

        foreach (var node in _nodes)
        {
            if (node.Crash is { } crash)
            {
                throw new InvalidOperationException($"Something was thrown that is no fault of a store: {crash.Message}", crash);
            }
        }
    }

    private void Announce(string schedule)
    {
        foreach (var node in _nodes)
        {
            // An announcement may be lost with whoever was to make it.
            if (node is not null && _random.Next(10) > 0)
            {
                node.Notice(schedule);
            }
        }
    }

    private (int HeldUp, int Fails) Odds() => (_random.Next(4) * 15, _random.Next(3) * 5);

    private Task<SimulatedNode> NewNodeAsync(int place)
    {
        var machine = new SimulatedMachine(_random, _world) { Odds = _nodes[place] is { } before ? before.Machine.Odds : default };
        return SimulatedNode.StartAsync($"node-{place}", _state, _queues, _capabilities, machine, _ledger, _random);
    }
}
