using System.CommandLine;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace bind</c>: a queue receives what is published to matching topics.</summary>
internal static class BindCommand
{
    public static Command Create(CliContext context)
    {
        var queue = Arguments.Queue("The queue; created if it does not exist.");
        var pattern = PatternArgument();
        var command = new CliCommand("bind", "Bind a queue to a topic pattern: it receives what is published to matching topics.", "millrace bind invoices 'order.*'")
        {
            queue, pattern,
        };
        command.SetAction((arguments, cancellationToken) =>
            RunAsync(arguments, arguments.GetRequiredValue(queue), arguments.GetRequiredValue(pattern), context, cancellationToken));
        return command;
    }

    public static Argument<string> PatternArgument() => new("PATTERN")
    {
        Description = "A topic pattern: * any characters, ? any one, [a-z] one of a set, [!a-z] one outside it.",
    };

    private static async Task<int> RunAsync(ParseResult arguments, string queue, string pattern, CliContext context, CancellationToken cancellationToken)
    {
        ResourceName.Require(queue, "queue");
        var parsed = TopicPattern.Parse(pattern);
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        await backend.Require<IQueueRouting>().BindAsync(queue, parsed, cancellationToken);
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
            output.WriteLine($"Bound '{queue}' to '{parsed}'.");
        }

        return ExitCodes.Done;
    }
}
