using System.CommandLine;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace unbind</c>.</summary>
internal static class UnbindCommand
{
    public static Command Create(CliContext context)
    {
        var queue = Arguments.Queue();
        var pattern = BindCommand.PatternArgument();
        var command = new CliCommand("unbind", "Remove the binding of a queue to a topic pattern.", "millrace unbind invoices 'order.*'")
        {
            queue, pattern,
        };
        command.SetAction((arguments, cancellationToken) =>
            RunAsync(arguments, arguments.GetRequiredValue(queue), arguments.GetRequiredValue(pattern), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string queue, string pattern, CliContext context, CancellationToken cancellationToken)
    {
        ResourceName.Require(queue, "queue");
        var parsed = TopicPattern.Parse(pattern);
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        if (!await backend.Require<IQueueRouting>().UnbindAsync(queue, parsed, cancellationToken))
        {
            await context.Error.WriteLineAsync($"millrace: Queue '{queue}' is not bound to '{parsed}'.");
            return ExitCodes.NotFound;
        }

        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("queue", queue);
                json.WriteString("pattern", parsed.Text);
            });
        }
        else
        {
            output.WriteLine($"'{queue}' is no longer bound to '{parsed}'.");
        }

        return ExitCodes.Done;
    }
}
