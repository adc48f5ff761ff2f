using System.CommandLine;

namespace Millrace.App.Commands;

/// <summary><c>millrace user disable</c> and <c>enable</c>.</summary>
internal static class UserSwitchCommand
{
    public static Command CreateDisable(CliContext context) =>
        Create("disable", "Refuse a user everywhere, and keep password, keys and roles.", isDisabled: true, context);

    public static Command CreateEnable(CliContext context) => Create("enable", "Let a disabled user in again.", isDisabled: false, context);

    private static CliCommand Create(string word, string description, bool isDisabled, CliContext context)
    {
        var name = UsersEdit.User();
        var command = new CliCommand(word, description, $"millrace user {word} ada")
        {
            name,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var user = arguments.GetRequiredValue(name);
            await UsersEdit.ChangeAsync(
                arguments, context, document => document.With(UsersEdit.Require(document, user) with { IsDisabled = isDisabled }), cancellationToken);
            return UsersEdit.Report(arguments, context, $"'{user}' is {word}d.", json =>
            {
                json.WriteString("name", user);
                json.WriteBoolean("disabled", isDisabled);
            });
        });
        return command;
    }
}
