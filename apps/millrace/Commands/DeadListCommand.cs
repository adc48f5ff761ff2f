using System.CommandLine;
using Millrace.App.Output;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace dead list</c>.</summary>
internal static class DeadListCommand
{
    public static Command Create(CliContext context)
    {
        var queue = Arguments.Queue("The queue whose dead letters to list.");
        var limit = Arguments.Limit(50);
        var filter = new DeadLetterOptions(context.TimeProvider);
        var command = new CliCommand(
            "list",
            "List dead letters, the oldest first.",
            "millrace dead list orders",
            "millrace dead list orders --reason max-deliveries --since 2h --json")
        {
            queue, limit,
        };
        filter.AddTo(command);
        command.SetAction((arguments, cancellationToken) =>
            RunAsync(arguments, arguments.GetRequiredValue(queue), filter.Read(arguments), arguments.GetValue(limit), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string queue, DeadLetterFilter filter, int limit, CliContext context, CancellationToken cancellationToken)
    {
        ResourceName.RequireQueue(queue);
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        var dead = ResourceName.DeadLetterQueueOf(queue);
        var columns = new Columns("ID", "REASON", "ATTEMPTS", "DIED", "ERROR");
        var shown = 0;

        // Without a filter every message that is read is shown, so none is asked for beyond the limit.
        var read = filter == DeadLetterFilter.All ? limit : int.MaxValue;
        await foreach (var browsed in Arguments.BrowseAsync(backend.Require<IQueueAdmin>(), dead, MessageState.Ready, read, cancellationToken))
        {
            if (!filter.Matches(browsed.Message))
            {
                continue;
            }

            shown++;
            if (output.IsJson)
            {
                output.WriteObject(json => MessageText.WriteMembers(json, dead, browsed));
            }
            else
            {
                var letter = browsed.Message.DeadLetter;
                columns.Add(
                    MessageText.Preview(browsed.Message.Id.ToString()),
                    MessageText.Preview(letter?.Reason),
                    MessageText.Count(letter?.Attempts ?? 0),
                    MessageText.Time(letter?.At),
                    MessageText.Preview(letter?.LastError));
            }

            if (shown == limit)
            {
                break;
            }
        }

        if (!output.IsJson)
        {
            columns.WriteTo(output);
        }

        return ExitCodes.Done;
    }
}
