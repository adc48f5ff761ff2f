using System.CommandLine;
using System.Globalization;
using Millrace.App.Output;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace browse</c>: a look at messages without taking them.</summary>
internal static class BrowseCommand
{
    public static Command Create(CliContext context)
    {
        var queue = Arguments.Queue("The queue, or the dead letters of one, such as 'orders!dead'.");
        var state = new Option<string>("--state", "-s") { Description = "ready (in the order of delivery), scheduled or leased.", DefaultValueFactory = _ => "ready" };
        state.AcceptOnlyFromAmong("ready", "scheduled", "leased");
        var limit = Arguments.Limit(50);
        var command = new CliCommand(
            "browse",
            "Look at the messages of a queue without taking them.",
            "millrace browse orders",
            "millrace browse orders --state scheduled --limit 500 --json")
        {
            queue, state, limit,
        };
        command.SetAction((arguments, cancellationToken) =>
        {
            var wanted = Enum.Parse<MessageState>(arguments.GetRequiredValue(state), ignoreCase: true);
            return RunAsync(arguments, arguments.GetRequiredValue(queue), wanted, arguments.GetValue(limit), context, cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string queue, MessageState state, int limit, CliContext context, CancellationToken cancellationToken)
    {
        ResourceName.RequireQueue(queue);
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        var columns = new Columns("ID", "PRIORITY", "KEY", "ATTEMPTS", "ENQUEUED", "DUE", "BODY");
        await foreach (var browsed in Arguments.BrowseAsync(backend.Require<IQueueAdmin>(), queue, state, limit, cancellationToken))
        {
            if (output.IsJson)
            {
                output.WriteObject(json => MessageText.WriteMembers(json, queue, browsed));
            }
            else
            {
                var message = browsed.Message;
                columns.Add(
                    MessageText.Preview(message.Id.ToString()),
                    message.Priority.ToString(CultureInfo.InvariantCulture),
                    MessageText.Preview(message.Key),
                    MessageText.Count(browsed.Attempts),
                    MessageText.Time(message.EnqueuedAt),
                    MessageText.Time(browsed.DueAt),
                    MessageText.Preview(message.Body.Span));
            }
        }

        if (!output.IsJson)
        {
            columns.WriteTo(output);
        }

        return ExitCodes.Done;
    }
}
