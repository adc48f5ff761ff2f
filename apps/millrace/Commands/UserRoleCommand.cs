using System.CommandLine;

namespace Millrace.App.Commands;

/// <summary><c>millrace user role</c>: what users may do.</summary>
internal static class UserRoleCommand
{
    public static Command Create(CliContext context) => new CliCommand(
        "role",
        "Define roles: what their users may do with which queues, topics, locks and state. The role admin is built in, and may do everything.",
        "millrace user role set worker --allow send,receive --queues 'orders*'",
        "millrace user role list")
    {
        UserRoleSetCommand.Create(context),
        UserRoleListCommand.Create(context),
        UserRoleRemoveCommand.Create(context),
    };
}
