using System.CommandLine;
using Millrace.App.Bench;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace bench</c>: how fast the store is, by the user's own measure.</summary>
internal static class BenchCommand
{
    public static Command Create(CliContext context)
    {
        var options = new BenchOptions();
        var command = new CliCommand(
            "bench",
            "Measure the store: messages are sent, received and completed at the same time, after a warm-up that does not count. "
            + "Prints the rates, the latencies from send to delivery, and whether every message was received exactly once. It loads the store as fully as it can, unless --rate says how much.",
            "millrace bench",
            "millrace bench --messages 100000 --batch 1 --senders 16 --size 1000",
            "millrace bench --rate 500 --duration 30s --json");
        options.AddTo(command);
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments, options.Read(arguments), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, BenchPlan plan, CliContext context, CancellationToken cancellationToken)
    {
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        using var log = new ErrorLog(context.Error) { IsOpen = true };
        var store = backend.Require<IQueueStore>();
        if (plan.Size > store.Capabilities.MaxBodyBytes)
        {
            throw new UsageException($"--size must be at most {store.Capabilities.MaxBodyBytes}, the largest body that this store takes, not {plan.Size}.");
        }

        using var run = new BenchRun(store, backend.Require<IQueueAdmin>(), plan, context, log);
        var result = await run.RunAsync(cancellationToken);
        BenchReport.Write(output, result);
        return result.IsExactlyOnce ? ExitCodes.Done : ExitCodes.Failed;
    }
}
