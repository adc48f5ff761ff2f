using System.CommandLine;
using Millrace.App.Input;
using Millrace.Server.Security.Users;

namespace Millrace.App.Commands;

/// <summary><c>millrace user add</c>.</summary>
internal static class UserAddCommand
{
    public static Command Create(CliContext context)
    {
        var name = UsersEdit.User("The new user's name: 1 to 100 characters, exact in case, without colons.");
        var roles = new Option<string[]>("--role") { Description = "A role that the user has: admin, or one that was defined. May be repeated.", HelpName = "ROLE" };
        var fromInput = NewPassword.InputOption();
        var none = new Option<bool>("--no-password") { Description = "The user comes with keys only." };
        var command = new CliCommand(
            "add",
            "Add a user. Asks for the password.",
            "millrace user add ada --role admin",
            "millrace user add mailer --role worker --no-password")
        {
            name, roles, fromInput, none,
        };
        command.SetAction((arguments, cancellationToken) =>
        {
            var user = new UserEntry { Name = arguments.GetRequiredValue(name), Roles = [.. (arguments.GetValue(roles) ?? []).Distinct()] };
            UsersEdit.RequireName("user", user.Name);
            return (arguments.GetValue(fromInput), arguments.GetValue(none)) switch
            {
                (true, true) => throw new UsageException("--password-stdin and --no-password exclude each other."),
                var (isInput, hasNone) => AddAsync(arguments, user, hasPassword: !hasNone, isInput, context, cancellationToken),
            };
        });
        return command;
    }

    private static async Task<int> AddAsync(
        ParseResult arguments,
        UserEntry user,
        bool hasPassword,
        bool fromInput,
        CliContext context,
        CancellationToken cancellationToken)
    {
        if (hasPassword)
        {
            user = user with { Password = await NewPassword.ReadAsync(context, fromInput, cancellationToken) };
        }

        await UsersEdit.ChangeOrCreateAsync(arguments, context, Add, cancellationToken);
        return UsersEdit.Report(arguments, context, $"Added '{user.Name}'.", json => json.WriteString("name", user.Name));

        UsersDocument Add(UsersDocument document)
        {
            UsersEdit.RequireRoles(document, user.Roles);
            return document.FindUser(user.Name) is null
                ? document.With(user)
                : throw new UsageException($"There is a user '{user.Name}' already. Change the password with 'millrace user password', roles with 'grant' and 'revoke'.");
        }
    }
}
