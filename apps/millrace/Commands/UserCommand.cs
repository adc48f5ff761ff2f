using System.CommandLine;

namespace Millrace.App.Commands;

/// <summary><c>millrace user</c>: who may use a server.</summary>
internal static class UserCommand
{
    public static Command Create(CliContext context) => new CliCommand(
        "user",
        "Look after the users of a server, their keys and roles. A running server takes changes over within a second.",
        "millrace user add ada --role admin",
        "millrace user key add ada laptop --expires 90d",
        "millrace user list")
    {
        DefaultUsersFile.Option,
        UserAddCommand.Create(context),
        UserListCommand.Create(context),
        UserRemoveCommand.Create(context),
        UserPasswordCommand.Create(context),
        UserSwitchCommand.CreateDisable(context),
        UserSwitchCommand.CreateEnable(context),
        UserGrantCommand.CreateGrant(context),
        UserGrantCommand.CreateRevoke(context),
        UserKeyCommand.Create(context),
        UserRoleCommand.Create(context),
    };
}
