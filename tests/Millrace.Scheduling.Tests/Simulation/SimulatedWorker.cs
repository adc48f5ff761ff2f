using Millrace.Scheduling.Jobs;
using Millrace.Scheduling.Schedules;
using Millrace.Storage;

namespace Millrace.Scheduling.Tests.Simulation;

/// <summary>
/// The worker of a simulated process: leases occurrences, asks the gate, runs for a while, and ends runs in the order that jobs end: the history, the occurrence, the message. Jobs are slow, fail,
/// and are cancelled, as the seed wants it.
/// </summary>
internal sealed class SimulatedWorker(
    string node,
    IOccurrenceGate gate,
    SimulatedQueues queues,
    Func<RunRecord, CancellationToken, ValueTask> record,
    SimulatedMachine machine,
    OccurrenceLedger ledger,
    Random random)
{
    public static readonly TimeSpan Lease = TimeSpan.FromMinutes(1);

    private const int Slots = 4;
    private const int MaxAttempts = 3;
    private static readonly TimeSpan AfterFault = TimeSpan.FromSeconds(1);

    private readonly List<Task> _tasks = [];
    private readonly List<Run> _runs = [];
    private IQueueReceiver? _receiver;

    public bool IsIdle => _tasks.TrueForAll(task => task.IsCompleted);

    public Exception? Crash => _tasks.Find(task => task.IsFaulted)?.Exception?.GetBaseException();

    /// <summary>Renews leases, lets runs end whose time has come, and takes more.</summary>
    public async Task TickAsync()
    {
        _receiver ??= await queues.OpenReceiverAsync(ScheduleDefinition.DefaultQueue, new ReceiverOptions { LeaseDuration = Lease });
        ledger.Renewed(machine);
        await _receiver.RenewAsync();
        foreach (var run in _runs.ToList())
        {
            if (!run.Leased.IsLive(machine.Time.Passed) || ledger.Cancelled.Contains(run.Leased.Occurrence.Id) || run.EndsAt <= machine.Time.Passed)
            {
                _runs.Remove(run);
                run.Ended.SetResult();
            }
        }

        var delivery = new Delivery[1];
        while (_tasks.Count(task => !task.IsCompleted) < Slots && await _receiver.LeaseAsync(delivery, TimeSpan.Zero) == 1)
        {
            _tasks.Add(HandleAsync(ledger.Leased(machine, delivery[0]), delivery[0].Message));
        }

        _tasks.RemoveAll(task => task.IsCompletedSuccessfully);
    }

    private async Task HandleAsync(LeasedRun leased, Message message)
    {
        var terms = JobMessage.TermsOf(message.Headers);
        var occurrence = new Occurrence(terms.Schedule!, terms.Version, DateTimeOffset.FromUnixTimeMilliseconds(terms.Due!.Value), message.Id.ToString());
        OccurrenceVerdict verdict;
        try
        {
            verdict = await gate.BeginAsync(occurrence, CancellationToken.None);
        }
        catch (BackendUnavailableException)
        {
            await SettleAsync(Settlement.Release(leased.Token, AfterFault, countAttempt: false));
            return;
        }

        switch (verdict.Action)
        {
            case OccurrenceAction.Drop:
                await SettleAsync(Settlement.Complete(leased.Token));
                break;
            case OccurrenceAction.PutOff:
                await SettleAsync(Settlement.Release(leased.Token, verdict.Delay, countAttempt: false));
                break;
            default:
                await RunAsync(leased, occurrence);
                break;
        }
    }

    private async Task RunAsync(LeasedRun leased, Occurrence occurrence)
    {
        var startedAt = machine.Time.GetUtcNow();
        ledger.Started(leased);
        var run = new Run(leased, machine.Time.Passed + Duration());
        _runs.Add(run);
        await run.Ended.Task;
        leased.IsFinished = true;
        if (!leased.IsLive(machine.Time.Passed))
        {
            // Its token has ended with its lease; whoever has the message now runs it.
            return;
        }

        var outcome = ledger.Cancelled.Contains(occurrence.Id) ? RunOutcome.Cancelled
            : random.Next(100) >= 20 ? RunOutcome.Succeeded
            : leased.Attempt < MaxAttempts ? RunOutcome.Retried
            : RunOutcome.Failed;
        var ended = new RunRecord
        {
            Run = occurrence.Id,
            Schedule = occurrence.Schedule,
            Queue = ScheduleDefinition.DefaultQueue,
            Outcome = outcome,
            ScheduledAt = occurrence.Due,
            StartedAt = startedAt,
            FinishedAt = machine.Time.GetUtcNow(),
            Node = node,
            Attempt = leased.Attempt,
        };
        await RepeatAsync(() => record(ended, CancellationToken.None));
        if (outcome == RunOutcome.Retried)
        {
            await SettleAsync(Settlement.Release(leased.Token, TimeSpan.FromSeconds(random.Next(0, 20))));
            return;
        }

        await RepeatAsync(() => gate.EndAsync(occurrence, ended, CancellationToken.None));
        await SettleAsync(outcome == RunOutcome.Failed ? Settlement.DeadLetter(leased.Token, "failed") : Settlement.Complete(leased.Token));
    }

    // Mostly quick, sometimes far longer than the lease and the interval of the schedule.
    private TimeSpan Duration() => random.Next(10) switch
    {
        < 6 => TimeSpan.FromSeconds(random.Next(0, 3)),
        < 9 => TimeSpan.FromSeconds(random.Next(0, 90)),
        _ => TimeSpan.FromMinutes(random.Next(1, 6)),
    };

    private async ValueTask SettleAsync(Settlement settlement)
    {
        var results = new SettleResult[1];
        await RepeatAsync(() => queues.SettleAsync(ScheduleDefinition.DefaultQueue, new[] { settlement }, results));
    }

    /// <summary>What comes after a run is repeated until it is done.</summary>
    private static async ValueTask RepeatAsync(Func<ValueTask> step)
    {
        while (true)
        {
            try
            {
                await step();
                return;
            }
            catch (BackendUnavailableException)
            {
                // Again.
            }
        }
    }

    private sealed record Run(LeasedRun Leased, TimeSpan EndsAt)
    {
        public TaskCompletionSource Ended { get; } = new();
    }
}
