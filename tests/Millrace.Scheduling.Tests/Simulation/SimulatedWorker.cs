using Millrace.Queues;
using Millrace.Scheduling.Jobs;
using Millrace.Storage;

namespace Millrace.Scheduling.Tests.Simulation;

/// <summary>
/// The worker of a simulated process. What is done with a delivery, and with a job that ends, is the runner's, which is that of real workers; this one only stands in for the threads beneath it: it leases,
/// renews, looks for marks of cancellation, and settles by what the runner says. Jobs are slow, and fail, as the seed wants it.
/// </summary>
internal sealed class SimulatedWorker(JobRunner runner, SimulatedQueues queues, SimulatedMachine machine, OccurrenceLedger ledger, Random random)
{
    public static readonly TimeSpan Lease = TimeSpan.FromMinutes(1);

    private const int Slots = 4;

    private static readonly RetryPolicy Policy = new JobWorkerOptions().ToQueueWorkerOptions().RetryPolicy;

    // Which delivery a job belongs to: it flows with the runner from its call to the job.
    private readonly AsyncLocal<Handling?> _current = new();
    private readonly List<Task> _tasks = [];
    private readonly List<Handling> _handled = [];
    private Task _look = Task.CompletedTask;
    private IQueueReceiver? _receiver;

    public bool IsIdle => _look.IsCompleted && _tasks.TrueForAll(task => task.IsCompleted);

    public Exception? Crash => _tasks.Find(task => task.IsFaulted)?.Exception?.GetBaseException() ?? _look.Exception?.GetBaseException();

    /// <summary>Renews leases, lets jobs end whose time has come, and takes more.</summary>
    public async Task TickAsync()
    {
        _receiver ??= await queues.OpenReceiverAsync(ScheduleDefinition.DefaultQueue, new ReceiverOptions { LeaseDuration = Lease });
        ledger.Renewed(machine);
        await _receiver.RenewAsync();
        foreach (var handling in _handled.ToList())
        {
            if (!handling.Leased.IsLive(machine.Time.Passed))
            {
                handling.Cancel();
            }
            else if (handling.EndsAt <= machine.Time.Passed)
            {
                handling.Ended.TrySetResult();
            }
        }

        if (_look.IsCompletedSuccessfully)
        {
            _look = LookForMarksAsync();
        }

        var delivery = new Delivery[1];
        while (_tasks.Count(task => !task.IsCompleted) < Slots && await _receiver.LeaseAsync(delivery, TimeSpan.Zero) == 1)
        {
            _tasks.Add(HandleAsync(ledger.Leased(machine, delivery[0]), delivery[0]));
        }

        _tasks.RemoveAll(task => task.IsCompletedSuccessfully);
    }

    /// <summary>The job.</summary>
    public async Task WorkAsync(CancellationToken cancellationToken)
    {
        var handling = _current.Value!;
        ledger.Started(handling.Leased);
        handling.EndsAt = machine.Time.Passed + Duration();
        try
        {
            // Set on the thread of the simulation, and gone on with there.
            using var cancelling = cancellationToken.Register(() => handling.Ended.TrySetCanceled(cancellationToken));
            await handling.Ended.Task.ConfigureAwait(false);
        }
        finally
        {
            handling.Leased.IsFinished = true;
        }

        if (random.Next(100) < 20)
        {
            throw new TimeoutException("The seed wants it to fail.");
        }
    }

    /// <summary>Cancels a job that runs here, as the mark wants it that was found.</summary>
    public void CancelRunning(string id)
    {
        foreach (var handling in _handled.ToList())
        {
            if (handling.Leased.Occurrence.Id == id)
            {
                handling.Cancel();
            }
        }
    }

    private async Task HandleAsync(LeasedRun leased, Delivery delivery)
    {
        using var handling = new Handling(leased);
        _current.Value = handling;
        machine.Handled = leased;
        _handled.Add(handling);
        HandlingResult result;
        try
        {
            result = await runner.HandleAsync(delivery, handling.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (handling.Token.IsCancellationRequested)
        {
            result = HandlingResult.Fail(exception);
        }

        _handled.Remove(handling);
        var settlement = new[] { AttemptVerdict.Of(delivery, result, Policy, queues.Capabilities.MaxDelay, random).Settlement };
        var results = new SettleResult[1];
        while (true)
        {
            try
            {
                await queues.SettleAsync(ScheduleDefinition.DefaultQueue, settlement, results).ConfigureAwait(false);
                return;
            }
            catch (BackendUnavailableException)
            {
                // Again.
            }
        }
    }

    private async Task LookForMarksAsync()
    {
        try
        {
            await runner.Marks!.ReadAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (BackendUnavailableException)
        {
            // At the next tick.
        }
    }

    // Mostly quick, sometimes far longer than the lease and the interval of the schedule.
    private TimeSpan Duration() => random.Next(10) switch
    {
        < 6 => TimeSpan.FromSeconds(random.Next(0, 3)),
        < 9 => TimeSpan.FromSeconds(random.Next(0, 90)),
        _ => TimeSpan.FromMinutes(random.Next(1, 6)),
    };

    /// <summary>One delivery, from its lease to its settlement.</summary>
    private sealed class Handling(LeasedRun leased) : IDisposable
    {
        private readonly CancellationTokenSource _cancellation = new();

        public LeasedRun Leased => leased;

        public CancellationToken Token => _cancellation.Token;

        /// <summary>When its job ends; null before it has started.</summary>
        public TimeSpan? EndsAt { get; set; }

        public TaskCompletionSource Ended { get; } = new();

        public void Cancel() => _cancellation.Cancel();

        public void Dispose() => _cancellation.Dispose();
    }
}
