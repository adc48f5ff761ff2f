using System.CommandLine;

namespace Millrace.App.Commands;

/// <summary><c>millrace user key</c>: keys that programs log in with.</summary>
internal static class UserKeyCommand
{
    public static Command Create(CliContext context) => new CliCommand(
        "key",
        "Add and remove the bearer keys of users.",
        "millrace user key add mailer host-7 --expires 90d",
        "millrace user key remove mailer host-7")
    {
        UserKeyAddCommand.Create(context),
        UserKeyRemoveCommand.Create(context),
    };
}
