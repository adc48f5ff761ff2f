using System.CommandLine;

namespace Millrace.App.Commands;

/// <summary><c>millrace dead</c>: the dead letters of a queue.</summary>
internal static class DeadCommand
{
    public static Command Create(CliContext context) => new CliCommand(
        "dead",
        "Look at dead letters, send them back to work, or remove them.",
        "millrace dead list orders",
        "millrace dead redrive orders --all")
    {
        DeadListCommand.Create(context),
        DeadShowCommand.Create(context),
        DeadRedriveCommand.Create(context),
        DeadPurgeCommand.Create(context),
    };
}
