using System.CommandLine;

namespace Millrace.App.Commands;

/// <summary><c>millrace queue</c>: queues themselves.</summary>
internal static class QueueCommand
{
    public static Command Create(CliContext context) => new CliCommand(
        "queue",
        "Create, set up, list, empty and delete queues.",
        "millrace queue create orders --max-deliveries 5",
        "millrace queue list")
    {
        QueueCreateCommand.Create(context),
        QueueSettingsCommand.Create(context),
        QueueListCommand.Create(context),
        QueuePurgeCommand.Create(context),
        QueueDeleteCommand.Create(context),
    };
}
