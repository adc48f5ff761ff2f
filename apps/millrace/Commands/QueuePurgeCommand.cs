using System.CommandLine;
using Millrace.App.Output;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace queue purge</c>: waiting messages removed for good.</summary>
internal static class QueuePurgeCommand
{
    public static Command Create(CliContext context)
    {
        var queue = Arguments.Queue();
        var id = new Option<string?>("--id") { Description = "Only the message with this id.", HelpName = "ID" };
        var all = new Option<bool>("--all") { Description = "Every message that is ready or scheduled. Messages at work stay." };
        var command = new CliCommand(
            "purge",
            "Remove waiting messages for good. Dead letters stay: see 'millrace dead purge'.",
            "millrace queue purge orders --all",
            "millrace queue purge orders --id order-17")
        {
            queue, id, all,
        };
        command.SetAction((arguments, cancellationToken) =>
        {
            var name = arguments.GetRequiredValue(queue);
            ResourceName.RequireQueue(name);
            return (arguments.GetValue(id), arguments.GetValue(all)) switch
            {
                ({ } one, false) => RemoveOneAsync(arguments, name, one, context, cancellationToken),
                (null, true) => RemoveAllAsync(arguments, name, context, cancellationToken),
                _ => throw new UsageException("Say which messages: --id for one, or --all for every one that waits."),
            };
        });
        return command;
    }

    public static async Task<int> RemoveOneAsync(ParseResult arguments, string queue, MessageId id, CliContext context, CancellationToken cancellationToken)
    {
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        var change = await backend.Require<IQueueAdmin>().RemoveMessageAsync(queue, id, cancellationToken);
        switch (change)
        {
            case MessageChange.NotFound:
                throw new MessageNotFoundException(queue, id);
            case MessageChange.Leased:
                await context.Error.WriteLineAsync($"millrace: Message '{id}' of '{queue}' is at work: settle it there, or wait for its lease to end.");
                return ExitCodes.Failed;
            default:
                Report(context, arguments, queue, 1);
                return ExitCodes.Done;
        }
    }

    public static async Task<int> RemoveAllAsync(ParseResult arguments, string queue, CliContext context, CancellationToken cancellationToken)
    {
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        var removed = await backend.Require<IQueueAdmin>().PurgeAsync(queue, cancellationToken);
        Report(context, arguments, queue, removed);
        return ExitCodes.Done;
    }

    private static void Report(CliContext context, ParseResult arguments, string queue, long removed)
    {
        using var output = context.OpenOutput(arguments);
        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("queue", queue);
                json.WriteNumber("removed", removed);
            });
        }
        else
        {
            output.WriteLine($"Removed {MessageText.Count(removed)} messages from '{queue}'.");
        }
    }
}
