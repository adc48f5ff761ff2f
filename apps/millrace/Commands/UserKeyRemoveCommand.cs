using System.CommandLine;
using Millrace.Server.Security.Users;

namespace Millrace.App.Commands;

/// <summary><c>millrace user key remove</c>.</summary>
internal static class UserKeyRemoveCommand
{
    public static Command Create(CliContext context)
    {
        var name = UsersEdit.User();
        var keyName = UsersEdit.Key();
        var command = new CliCommand("remove", "Remove a key: whoever has it is refused from then on.", "millrace user key remove mailer host-7")
        {
            name, keyName,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var (user, key) = (arguments.GetRequiredValue(name), arguments.GetRequiredValue(keyName));
            await UsersEdit.ChangeAsync(arguments, context, document => Remove(document, user, key), cancellationToken);
            return UsersEdit.Report(arguments, context, $"Removed the key '{key}' of '{user}'.", json =>
            {
                json.WriteString("name", user);
                json.WriteString("keyName", key);
            });
        });
        return command;
    }

    private static UsersDocument Remove(UsersDocument document, string user, string key)
    {
        var entry = UsersEdit.Require(document, user);
        return entry.Keys.Any(other => other.Name == key)
            ? document.With(entry with { Keys = [.. entry.Keys.Where(other => other.Name != key)] })
            : throw new UserEntryNotFoundException($"'{user}' has no key '{key}'.");
    }
}
