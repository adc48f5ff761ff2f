using System.CommandLine;

namespace Millrace.App.Commands;

/// <summary><c>millrace dead purge</c>: dead letters removed for good.</summary>
internal static class DeadPurgeCommand
{
    public static Command Create(CliContext context)
    {
        var queue = Arguments.Queue("The queue whose dead letters to remove.");
        var id = new Option<string?>("--id") { Description = "Only the one with this id.", HelpName = "ID" };
        var all = new Option<bool>("--all") { Description = "Every dead letter." };
        var command = new CliCommand(
            "purge",
            "Remove dead letters for good.",
            "millrace dead purge orders --id order-17",
            "millrace dead purge orders --all")
        {
            queue, id, all,
        };
        command.SetAction((arguments, cancellationToken) =>
        {
            var name = arguments.GetRequiredValue(queue);
            ResourceName.RequireQueue(name);
            var dead = ResourceName.DeadLetterQueueOf(name);
            return (arguments.GetValue(id), arguments.GetValue(all)) switch
            {
                ({ } one, false) => QueuePurgeCommand.RemoveOneAsync(arguments, dead, one, context, cancellationToken),
                (null, true) => QueuePurgeCommand.RemoveAllAsync(arguments, dead, context, cancellationToken),
                _ => throw new UsageException("Say which dead letters: --id for one, or --all for every one."),
            };
        });
        return command;
    }
}
