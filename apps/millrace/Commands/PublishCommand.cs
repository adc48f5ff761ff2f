using System.CommandLine;
using Millrace.App.Input;
using Millrace.App.Output;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace publish</c>: messages into every queue that is bound to a matching pattern.</summary>
internal static class PublishCommand
{
    public static Command Create(CliContext context)
    {
        var topic = new Argument<string>("TOPIC") { Description = "The topic, literally." };
        var messages = new MessageOptions();
        var command = new CliCommand(
            "publish",
            "Publish messages to a topic: each goes into every queue that is bound to a matching pattern. Where none is, they go nowhere.",
            "millrace publish order.created '{\"sku\": 7}' --id order-17",
            "millrace publish order.created --file orders.jsonl --id-field orderId");
        command.Add(topic);
        messages.AddTo(command);
        command.SetAction((arguments, cancellationToken) =>
            RunAsync(arguments, arguments.GetRequiredValue(topic), messages.Read(arguments), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string topic, MessageRequest request, CliContext context, CancellationToken cancellationToken)
    {
        TopicPattern.RequireTopic(topic);
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        var routing = backend.Require<IQueueRouting>();
        await using var source = MessageSource.Open(request, backend.Require<IQueueStore>().Capabilities, context);
        var queues = 0;
        var accepted = await MessagePump.RunAsync(
            source,
            async (batch, token) => queues = await routing.PublishAsync(topic, batch, token),
            context,
            cancellationToken);
        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("topic", topic);
                json.WriteNumber("published", accepted);
                json.WriteNumber("queues", queues);
            });
        }
        else
        {
            output.WriteLine($"Published {MessageText.Count(accepted)} messages to '{topic}', into {MessageText.Count(queues)} queues.");
        }

        return ExitCodes.Done;
    }
}
