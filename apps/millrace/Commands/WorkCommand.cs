using System.CommandLine;
using Millrace.App.Exec;
using Millrace.App.Output;
using Millrace.Queues;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace work</c>: a command handles the messages of a queue.</summary>
internal static class WorkCommand
{
    public static Command Create(CliContext context)
    {
        var queue = Arguments.Queue("The queue; created if it does not exist. Or the dead letters of one, such as 'orders!dead'.");
        var options = new WorkOptions();
        var command = new CliCommand(
            "work",
            "Run a command for each message. The message's body is its standard input, its id, attempt, key and headers are in MILLRACE_… variables, "
            + $"and its exit code settles: 0 completes, {ShellHandler.RejectedExitCode} dead-letters at once, anything else is retried with backoff until the attempts are used up. "
            + "Ctrl-C or SIGTERM ends the work in order: running commands are awaited.",
            "millrace work orders --exec './handle-order.sh' --concurrency 4",
            "millrace work mail --exec 'curl -fsS --data-binary @- https://example.net/mail' --timeout 30s --max-attempts 5 --retry-delay 10s",
            "millrace work orders --exec 'jq .sku >> skus.txt' --exit-when-idle");
        command.Add(queue);
        options.AddTo(command);
        command.SetAction((arguments, cancellationToken) =>
            RunAsync(arguments, arguments.GetRequiredValue(queue), options.Read(arguments), context, cancellationToken));
        return command;
    }

    // Being told to stop is how a worker ends: no failure, also when it has not begun.
    private static async Task<int> RunAsync(ParseResult arguments, string queue, WorkRequest request, CliContext context, CancellationToken cancellationToken)
    {
        ResourceName.RequireQueue(queue);
        try
        {
            return await WorkAsync(arguments, queue, request, context, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCodes.Done;
        }
    }

    private static async Task<int> WorkAsync(ParseResult arguments, string queue, WorkRequest request, CliContext context, CancellationToken cancellationToken)
    {
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var log = new ErrorLog(context.Error);
        await using var dispatchers = new QueueDispatchers(backend.Require<IQueueStore>(), request.Dispatch, context.TimeProvider, log);
        var shell = new ShellHandler(request.Command, queue, context.Error, context.TimeProvider, cancellationToken);
        var unrunnable = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var worker = new QueueWorker(dispatchers, queue, HandleAsync, request.Options);
        await worker.StartAsync(cancellationToken);
        log.IsOpen = true;

        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var idle = WaitUntilIdleAsync(worker, request.IdleTime, context.TimeProvider, ending.Token);
        var reason = await Task.WhenAny(worker.Completion, unrunnable.Task, idle);
        await ending.CancelAsync();
        await worker.StopAsync(CancellationToken.None);
        await ReportAsync(arguments, queue, worker.Stats, context);
        if (reason != idle)
        {
            await reason;
        }

        return ExitCodes.Done;

        async ValueTask<HandlingResult> HandleAsync(Delivery delivery, CancellationToken token)
        {
            try
            {
                return await shell.HandleAsync(delivery, token);
            }
            catch (CommandNotRunnableException exception)
            {
                unrunnable.TrySetException(exception);
                return HandlingResult.Return;
            }
        }
    }

    // The worker has no "empty" event, for a queue is never known to stay empty: nothing to do for so long is what the user asked for.
    private static async Task WaitUntilIdleAsync(QueueWorker worker, TimeSpan? idleTime, TimeProvider timeProvider, CancellationToken cancellationToken)
    {
        try
        {
            if (idleTime is null)
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, timeProvider, cancellationToken);
                return;
            }

            var step = TimeSpan.FromTicks(Math.Clamp(idleTime.Value.Ticks / 4, TimeSpan.TicksPerMillisecond * 10, TimeSpan.TicksPerSecond));
            var last = worker.Stats;
            var since = timeProvider.GetTimestamp();
            while (timeProvider.GetElapsedTime(since) < idleTime)
            {
                await Task.Delay(step, timeProvider, cancellationToken);
                var now = worker.Stats;
                if (now.Held > 0 || now != last)
                {
                    (last, since) = (now, timeProvider.GetTimestamp());
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Asked to stop: the caller goes on to do so.
        }
    }

    private static async Task ReportAsync(ParseResult arguments, string queue, QueueWorkerStats stats, CliContext context)
    {
        using var output = context.OpenOutput(arguments);
        if (!output.IsJson)
        {
            // The standard output belongs to the commands.
            await context.Error.WriteLineAsync(
                $"Worked '{queue}': {MessageText.Count(stats.Handled)} completed, {MessageText.Count(stats.Retried)} failed attempts to be repeated, "
                + $"{MessageText.Count(stats.DeadLettered)} dead-lettered, {MessageText.Count(stats.Returned)} handed back, {MessageText.Count(stats.LeaseLost)} leases lost.");
            return;
        }

        output.WriteObject(json =>
        {
            json.WriteString("queue", queue);
            json.WriteNumber("completed", stats.Handled);
            json.WriteNumber("retried", stats.Retried);
            json.WriteNumber("deadLettered", stats.DeadLettered);
            json.WriteNumber("returned", stats.Returned);
            json.WriteNumber("leaseLost", stats.LeaseLost);
        });
    }
}
