using System.CommandLine;
using Millrace.App.Output;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace dead redrive</c>: dead letters back to work.</summary>
internal static class DeadRedriveCommand
{
    public static Command Create(CliContext context)
    {
        var queue = Arguments.Queue("The queue whose dead letters go back to it.");
        var all = new Option<bool>("--all") { Description = "Every dead letter. Needed where nothing else limits them." };
        var limit = new Option<long?>("--limit") { Description = "At most so many.", HelpName = "N" };
        var filter = new DeadLetterOptions(context.TimeProvider);
        var command = new CliCommand(
            "redrive",
            "Move dead letters back to their queue, with id, headers and body as they were and their attempts from 0.",
            "millrace dead redrive orders --id order-17",
            "millrace dead redrive orders --error-contains 'connection refused' --since 2h",
            "millrace dead redrive orders --all")
        {
            queue, all, limit,
        };
        filter.AddTo(command);
        command.SetAction((arguments, cancellationToken) =>
        {
            var chosen = filter.Read(arguments) with { Limit = arguments.GetValue(limit) };
            Require(chosen, arguments.GetValue(all));
            return RunAsync(arguments, arguments.GetRequiredValue(queue), chosen, context, cancellationToken);
        });
        return command;
    }

    private static void Require(DeadLetterFilter filter, bool all)
    {
        if (filter.Limit < 1)
        {
            throw new UsageException($"--limit must be at least 1, not {filter.Limit}.");
        }

        if (filter == DeadLetterFilter.All && !all)
        {
            throw new UsageException("Say which dead letters: --id, --reason, --error-contains, --since or --limit; or --all for every one.");
        }

        if (filter != DeadLetterFilter.All && all)
        {
            throw new UsageException("--all and a choice of some exclude each other.");
        }
    }

    private static async Task<int> RunAsync(ParseResult arguments, string queue, DeadLetterFilter filter, CliContext context, CancellationToken cancellationToken)
    {
        ResourceName.Require(queue, "queue");
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        var moved = await backend.Require<IQueueAdmin>().RedriveAsync(queue, filter, cancellationToken);
        if (moved == 0 && !filter.Id.IsEmpty)
        {
            throw new MessageNotFoundException(ResourceName.DeadLetterQueueOf(queue), filter.Id);
        }

        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("queue", queue);
                json.WriteNumber("redriven", moved);
            });
        }
        else
        {
            output.WriteLine($"Moved {MessageText.Count(moved)} dead letters back to '{queue}'.");
        }

        return ExitCodes.Done;
    }
}
