using System.CommandLine;
using Millrace.App.Output;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace receive</c>: messages to standard output, settled once they have been written there.</summary>
internal static class ReceiveCommand
{
    private const int BatchSize = 100;

    public static Command Create(CliContext context)
    {
        var queue = Arguments.Queue("The queue, or the dead letters of one, such as 'orders!dead'. It must exist.");
        var count = Arguments.Number("--count", "At most so many messages; 1 unless set.", 1);
        count.Aliases.Add("-n");
        var wait = DurationText.Option("--wait", "How long to wait for each next message; 0 unless set.");
        var keep = new Option<bool>("--no-ack") { Description = "Put the messages back afterwards, in their places and without counting an attempt." };
        var command = new CliCommand(
            "receive",
            "Print messages, their bodies one a line, and complete them once they have been written. Exit code 7 says that there was none.",
            "millrace receive orders",
            "millrace receive orders --count 100 --wait 5s --json",
            "millrace receive orders --no-ack")
        {
            queue, count, wait, keep,
        };
        command.SetAction((arguments, cancellationToken) =>
        {
            var request = new Request(arguments.GetRequiredValue(queue), arguments.GetValue(count), arguments.GetValue(wait) ?? TimeSpan.Zero, arguments.GetValue(keep));
            return RunAsync(arguments, request, context, cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, Request request, CliContext context, CancellationToken cancellationToken)
    {
        ResourceName.RequireQueue(request.Queue);
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        var store = backend.Require<IQueueStore>();

        // Opening a receiver would create the queue, and a misspelt name would wait for ever.
        await backend.Require<IQueueAdmin>().GetStatsAsync(request.Queue, cancellationToken);
        await using var receiver = await store.OpenReceiverAsync(request.Queue, new ReceiverOptions(), cancellationToken);
        var deliveries = new Delivery[Math.Min(request.Count, BatchSize)];
        int received = 0, lost = 0;
        while (received < request.Count)
        {
            var wanted = Math.Min(deliveries.Length, request.Count - received);
            var leased = await receiver.LeaseAsync(deliveries.AsMemory(0, wanted), request.Wait, cancellationToken);
            if (leased == 0)
            {
                break;
            }

            received += leased;
            Write(output, request.Queue, deliveries.AsSpan(0, leased));

            // Disposing the receiver gives back what was not settled, uncounted: also what a closed output refused here.
            output.Flush();
            try
            {
                lost += request.Keep ? 0 : await CompleteAsync(store, request.Queue, deliveries.AsMemory(0, leased));
            }
            catch (MillraceException)
            {
                // Whoever reads the output has them, and must know that the next one may get them too.
                await context.Error.WriteLineAsync($"millrace: {leased} messages were written and may not have been completed: they can be delivered again.");
                throw;
            }
        }

        if (lost > 0)
        {
            await context.Error.WriteLineAsync($"millrace: {lost} messages were written too late to be completed and will be delivered again.");
        }

        return received > 0 ? ExitCodes.Done : ExitCodes.Nothing;
    }

    // Not cancelled: the messages have been written, so Ctrl-C must not bring them back.
    private static async ValueTask<int> CompleteAsync(IQueueStore store, string queue, ReadOnlyMemory<Delivery> deliveries)
    {
        var settlements = new Settlement[deliveries.Length];
        for (var i = 0; i < settlements.Length; i++)
        {
            settlements[i] = Settlement.Complete(deliveries.Span[i].Token);
        }

        var results = new SettleResult[settlements.Length];
        await store.SettleAsync(queue, settlements, results, CancellationToken.None);
        return results.Count(result => result == SettleResult.LeaseLost);
    }

    private static void Write(OutputWriter output, string queue, ReadOnlySpan<Delivery> deliveries)
    {
        foreach (var delivery in deliveries)
        {
            if (output.IsJson)
            {
                output.WriteObject(json =>
                {
                    MessageText.WriteMembers(json, queue, delivery.Message);
                    json.WriteNumber("attempt", delivery.Attempt);
                    json.WriteBoolean("redelivered", delivery.Redelivered);
                });
            }
            else
            {
                output.WriteLine(delivery.Message.Body.Span);
            }
        }
    }

    private sealed record Request(string Queue, int Count, TimeSpan Wait, bool Keep);
}
