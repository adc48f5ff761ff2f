using System.CommandLine;
using Millrace.Server.Security.Users;

namespace Millrace.App.Commands;

/// <summary><c>millrace user role remove</c>.</summary>
internal static class UserRoleRemoveCommand
{
    public static Command Create(CliContext context)
    {
        var name = new Argument<string>("ROLE") { Description = "The role's name." };
        var command = new CliCommand("remove", "Remove a role that no user has.", "millrace user role remove worker")
        {
            name,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var role = arguments.GetRequiredValue(name);
            await UsersEdit.ChangeAsync(arguments, context, document => Remove(document, role), cancellationToken);
            return UsersEdit.Report(arguments, context, $"Removed the role '{role}'.", json => json.WriteString("role", role));
        });
        return command;
    }

    private static UsersDocument Remove(UsersDocument document, string role)
    {
        _ = UsersEdit.RequireRole(document, role);
        var users = document.Users.Where(user => user.Roles.Contains(role)).Select(user => user.Name).ToList();
        return users.Count == 0
            ? document.WithoutRole(role)
            : throw new UsageException($"The role '{role}' is in use: take it from {string.Join(", ", users)} first, with 'millrace user revoke'.");
    }
}
