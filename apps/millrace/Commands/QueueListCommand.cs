using System.CommandLine;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace queue list</c>: the names of queues.</summary>
internal static class QueueListCommand
{
    public static Command Create(CliContext context)
    {
        var prefix = new Argument<string?>("PREFIX") { Description = "Only queues whose names begin with this.", Arity = ArgumentArity.ZeroOrOne };
        var command = new CliCommand("list", "List queues by name, one a line.", "millrace queue list", "millrace queue list mail- --json")
        {
            prefix,
        };
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments, arguments.GetValue(prefix) ?? "", context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string prefix, CliContext context, CancellationToken cancellationToken)
    {
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        await foreach (var queue in Arguments.ListQueuesAsync(backend.Require<IQueueAdmin>(), prefix, cancellationToken))
        {
            if (output.IsJson)
            {
                output.WriteObject(json => json.WriteString("queue", queue));
            }
            else
            {
                output.WriteLine(queue);
            }
        }

        return ExitCodes.Done;
    }
}
