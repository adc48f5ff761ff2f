using System.CommandLine;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace queue settings</c>: shows the settings of a queue, and changes those that are named.</summary>
internal static class QueueSettingsCommand
{
    public static Command Create(CliContext context)
    {
        var queue = Arguments.Queue();
        var settings = new QueueSettingsOptions();
        var command = new CliCommand(
            "settings",
            "Show the settings of a queue, after changing those that are named. Bounds that are now too small refuse new messages and drop none.",
            "millrace queue settings orders",
            "millrace queue settings orders --max-deliveries 20 --dead-letter-expired true")
        {
            queue,
        };
        settings.AddTo(command);
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments, arguments.GetRequiredValue(queue), settings, context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string queue, QueueSettingsOptions options, CliContext context, CancellationToken cancellationToken)
    {
        ResourceName.Require(queue, "queue");

        // Refused before a store is opened, where it can be.
        options.Apply(arguments, QueueSettings.Default);
        await using var backend = await context.OpenAsync(arguments, cancellationToken);
        using var output = context.OpenOutput(arguments);
        var admin = backend.Require<IQueueAdmin>();
        var settings = await admin.GetSettingsAsync(queue, cancellationToken);
        var changed = options.Apply(arguments, settings);
        if (!ReferenceEquals(settings, changed))
        {
            await admin.UpdateSettingsAsync(queue, changed, cancellationToken);
        }

        QueueSettingsOptions.Write(output, queue, changed);
        return ExitCodes.Done;
    }
}
