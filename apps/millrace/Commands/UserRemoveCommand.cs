using System.CommandLine;

namespace Millrace.App.Commands;

/// <summary><c>millrace user remove</c>.</summary>
internal static class UserRemoveCommand
{
    public static Command Create(CliContext context)
    {
        var name = UsersEdit.User();
        var command = new CliCommand("remove", "Remove a user, with password and keys.", "millrace user remove ada")
        {
            name,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var user = arguments.GetRequiredValue(name);
            await UsersEdit.ChangeAsync(arguments, context, document => document.WithoutUser(UsersEdit.Require(document, user).Name), cancellationToken);
            return UsersEdit.Report(arguments, context, $"Removed '{user}'.", json => json.WriteString("name", user));
        });
        return command;
    }
}
