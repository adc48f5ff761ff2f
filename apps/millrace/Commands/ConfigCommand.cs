using System.CommandLine;

namespace Millrace.App.Commands;

/// <summary><c>millrace config</c>: the configuration of a server.</summary>
internal static class ConfigCommand
{
    public static Command Create(CliContext context) => new CliCommand("config", "Look at the configuration of a server.", "millrace config check")
    {
        ConfigCheckCommand.Create(context),
    };
}
