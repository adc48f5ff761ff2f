using System.CommandLine;
using Millrace.App.Input;
using Millrace.Server.Security.Users;

namespace Millrace.App.Commands;

/// <summary><c>millrace user password</c>.</summary>
internal static class UserPasswordCommand
{
    public static Command Create(CliContext context)
    {
        var name = UsersEdit.User();
        var fromInput = NewPassword.InputOption();
        var command = new CliCommand("password", "Set a user's password. Asks for it.", "millrace user password ada")
        {
            name, fromInput,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var user = arguments.GetRequiredValue(name);
            _ = UsersEdit.Require(UsersFile.Read(DefaultUsersFile.Prepare(arguments, context)), user);
            var password = await NewPassword.ReadAsync(context, arguments.GetValue(fromInput), cancellationToken);
            await UsersEdit.ChangeAsync(
                arguments, context, document => document.With(UsersEdit.Require(document, user) with { Password = password }), cancellationToken);
            return UsersEdit.Report(arguments, context, $"'{user}' has a new password.", json => json.WriteString("name", user));
        });
        return command;
    }
}
