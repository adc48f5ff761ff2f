// Works the JSON messages of a queue, failing some of them on purpose, and prints what became of them.
//   dotnet run --project samples/SqliteWorker -- --url sqlite:./data.db --queue packages --fail-percent 1 --exit-when-idle
using System.Runtime.InteropServices;
using System.Text.Json;
using Millrace;
using Millrace.Client;
using Millrace.Queues;
using Millrace.Storage;
using SqliteWorker;

if (!WorkerArguments.TryParse(args, out var arguments, out var problem))
{
    Console.Error.WriteLine($"{problem}\n{WorkerArguments.Usage}");
    return 2;
}

using var stop = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, StopInstead);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, StopInstead);
try
{
    await using var mill = await MillraceClient.OpenAsync(arguments.Url, cancellationToken: stop.Token);
    var handler = new LineHandler(arguments.FailPercent);
    var worker = mill.Worker<JsonElement>(arguments.Queue, handler, new QueueWorkerOptions
    {
        Concurrency = arguments.Concurrency,
        RetryPolicy = RetryPolicy.Fixed(TimeSpan.FromMilliseconds(100)).WithMaxAttempts(3),
    });
    await worker.StartAsync(stop.Token);
    var running = worker.RunAsync(stop.Token);
    if (arguments.ExitWhenIdle)
    {
        await StopWhenIdleAsync(mill.Require<IQueueAdmin>(), running);
    }

    await running;
    var stats = worker.Stats;
    Console.WriteLine($"handled {stats.Handled}, retried {stats.Retried}, dead-lettered {stats.DeadLettered}, returned {stats.Returned}, lease lost {stats.LeaseLost}");
    return 0;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    // Interrupted before there was anything to drain.
    return 0;
}
catch (MillraceException exception)
{
    Console.Error.WriteLine(exception.Message);
    return 1;
}

void StopInstead(PosixSignalContext signal)
{
    // Not the end of the process yet: the worker drains first.
    signal.Cancel = true;
    stop.Cancel();
}

// Idle is when nothing is ready, being handled, or waiting for its next attempt.
async Task StopWhenIdleAsync(IQueueAdmin admin, Task running)
{
    using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(250), TimeProvider.System);
    while (!stop.IsCancellationRequested && !running.IsCompleted)
    {
        await timer.WaitForNextTickAsync(CancellationToken.None);
        var stats = await admin.GetStatsAsync(arguments.Queue);
        if (stats is { Ready: 0, Leased: 0, Scheduled: 0 })
        {
            await stop.CancelAsync();
        }
    }
}
