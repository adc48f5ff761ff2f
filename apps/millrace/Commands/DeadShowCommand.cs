using System.CommandLine;
using System.Globalization;
using Millrace.App.Output;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace dead show</c>: one dead letter in full.</summary>
internal static class DeadShowCommand
{
    public static Command Create(CliContext context)
    {
        var queue = Arguments.Queue("The queue whose dead letter to show.");
        var id = new Argument<string>("ID") { Description = "The id of the message." };
        var command = new CliCommand("show", "Show one dead letter in full: why it died, its headers and its body.", "millrace dead show orders order-17")
        {
            queue, id,
        };
        command.SetAction((arguments, cancellationToken) =>
            RunAsync(arguments, arguments.GetRequiredValue(queue), arguments.GetRequiredValue(id), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string queue, MessageId id, CliContext context, CancellationToken cancellationToken)
    {
        ResourceName.RequireQueue(queue);
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        var dead = ResourceName.DeadLetterQueueOf(queue);
        var browsed = await backend.Require<IQueueAdmin>().GetMessageAsync(dead, id, cancellationToken)
            ?? throw new MessageNotFoundException(dead, id);
        if (output.IsJson)
        {
            output.WriteObject(json => MessageText.WriteMembers(json, dead, browsed));
            return ExitCodes.Done;
        }

        var message = browsed.Message;
        output.WriteLine($"id:           {message.Id}");
        output.WriteLine($"reason:       {message.DeadLetter?.Reason ?? "-"}");
        output.WriteLine($"died:         {MessageText.Time(message.DeadLetter?.At)}");
        output.WriteLine($"attempts:     {MessageText.Count(message.DeadLetter?.Attempts ?? 0)}");
        output.WriteLine($"enqueued:     {MessageText.Time(message.EnqueuedAt)}");
        output.WriteLine($"priority:     {message.Priority.ToString(CultureInfo.InvariantCulture)}");
        output.WriteLine($"key:          {message.Key ?? "-"}");
        output.WriteLine($"content type: {message.ContentType ?? "-"}");
        foreach (var (name, value) in message.Headers)
        {
            output.WriteLine($"header:       {name}={value}");
        }

        output.WriteLine($"last error:   {message.DeadLetter?.LastError?.TrimEnd() ?? "-"}");
        output.WriteLine("");
        output.WriteLine(message.Body.Span);
        return ExitCodes.Done;
    }
}
