using System.CommandLine;
using Millrace.App.Output;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace queue delete</c>.</summary>
internal static class QueueDeleteCommand
{
    public static Command Create(CliContext context)
    {
        var queue = Arguments.Queue();
        var force = new Option<bool>("--force") { Description = "Delete the queue with the messages and dead letters that it has." };
        var command = new CliCommand("delete", "Delete a queue with its bindings. One that has messages needs --force.", "millrace queue delete orders --force")
        {
            queue, force,
        };
        command.SetAction((arguments, cancellationToken) =>
            RunAsync(arguments, arguments.GetRequiredValue(queue), arguments.GetValue(force), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string queue, bool force, CliContext context, CancellationToken cancellationToken)
    {
        ResourceName.Require(queue, "queue");
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        var admin = backend.Require<IQueueAdmin>();
        var stats = await admin.GetStatsAsync(queue, cancellationToken);
        var messages = stats.Ready + stats.Scheduled + stats.Leased + stats.Dead;
        if (messages > 0 && !force)
        {
            throw new UsageException($"Queue '{queue}' has {MessageText.Count(messages)} messages, {MessageText.Count(stats.Dead)} of them dead letters. Add --force to delete them too.");
        }

        if (!await admin.DeleteQueueAsync(queue, cancellationToken))
        {
            throw new QueueNotFoundException(queue);
        }

        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("queue", queue);
                json.WriteNumber("deletedMessages", messages);
            });
        }
        else
        {
            output.WriteLine($"Deleted queue '{queue}' with {MessageText.Count(messages)} messages.");
        }

        return ExitCodes.Done;
    }
}
