using System.CommandLine;
using Millrace.App.Input;
using Millrace.App.Output;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace send</c>: argument, file or standard input into a queue.</summary>
internal static class SendCommand
{
    public static Command Create(CliContext context)
    {
        var queue = Arguments.Queue("Where the messages go; created if it does not exist.");
        var messages = new MessageOptions();
        var command = new CliCommand(
            "send",
            "Send messages to a queue. They are stored when the command says so, or, with --json, when their line is printed.",
            "millrace send orders '{\"sku\": 7}' --priority 9",
            "millrace send orders --file orders.jsonl --id-field orderId --key-field customer",
            "tail -f app.log | millrace send logs --text",
            "millrace send images --raw --content-type image/png < photo.png");
        command.Add(queue);
        messages.AddTo(command);
        command.SetAction((arguments, cancellationToken) =>
            RunAsync(arguments, arguments.GetRequiredValue(queue), messages.Read(arguments), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string queue, MessageRequest request, CliContext context, CancellationToken cancellationToken)
    {
        ResourceName.Require(queue, "queue");
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        var store = backend.Require<IQueueStore>();
        await using var source = MessageSource.Open(request, store.Capabilities, context);
        var results = new EnqueueResult[request.BatchSize];
        long duplicates = 0;
        var started = context.TimeProvider.GetTimestamp();
        var accepted = await MessagePump.RunAsync(source, StoreAsync, context, cancellationToken);
        if (!output.IsJson)
        {
            output.WriteLine(Summary(queue, accepted, duplicates, results, context.TimeProvider.GetElapsedTime(started)));
        }

        return ExitCodes.Done;

        async ValueTask StoreAsync(ReadOnlyMemory<Envelope> batch, CancellationToken cancellationToken)
        {
            await store.EnqueueAsync(queue, batch, results, cancellationToken);
            foreach (var result in results.AsSpan(0, batch.Length))
            {
                duplicates += result.Outcome == EnqueueOutcome.Duplicate ? 1 : 0;
                WriteAcknowledgement(output, result);
            }

            // Whoever reads the ids relies on them, so they are not kept back.
            output.Flush();
        }
    }

    private static void WriteAcknowledgement(OutputWriter output, EnqueueResult result)
    {
        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("id", result.Id.ToString());
                json.WriteString("outcome", result.Outcome == EnqueueOutcome.Stored ? "stored" : "duplicate");
            });
        }
    }

    private static string Summary(string queue, long accepted, long duplicates, EnqueueResult[] results, TimeSpan elapsed)
    {
        if (accepted == 1)
        {
            return duplicates == 0
                ? $"Sent {results[0].Id} to '{queue}'."
                : $"Queue '{queue}' has had {results[0].Id} already: nothing was stored.";
        }

        var repeats = duplicates == 0 ? "" : $"; {MessageText.Count(duplicates)} more were repeats of known ids";
        return $"Sent {MessageText.Count(accepted - duplicates)} messages to '{queue}' in {MessageText.Duration(elapsed)}{repeats}.";
    }
}
