using System.CommandLine;
using Millrace.App.Output;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace bindings</c>: which queues are bound to which topic patterns.</summary>
internal static class BindingsCommand
{
    public static Command Create(CliContext context)
    {
        var queue = new Argument<string?>("QUEUE") { Description = "Only the bindings of this queue.", Arity = ArgumentArity.ZeroOrOne };
        var command = new CliCommand("bindings", "List bindings of queues to topic patterns.", "millrace bindings", "millrace bindings invoices --json")
        {
            queue,
        };
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments, arguments.GetValue(queue), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string? queue, CliContext context, CancellationToken cancellationToken)
    {
        if (queue is not null)
        {
            ResourceName.Require(queue, "queue");
        }

        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        var columns = new Columns("QUEUE", "PATTERN");
        foreach (var binding in await backend.Require<IQueueRouting>().ListBindingsAsync(queue, cancellationToken))
        {
            if (output.IsJson)
            {
                output.WriteObject(json =>
                {
                    json.WriteString("queue", binding.Queue);
                    json.WriteString("pattern", binding.Pattern.Text);
                });
            }
            else
            {
                columns.Add(binding.Queue, binding.Pattern.Text);
            }
        }

        if (!output.IsJson)
        {
            columns.WriteTo(output);
        }

        return ExitCodes.Done;
    }
}
