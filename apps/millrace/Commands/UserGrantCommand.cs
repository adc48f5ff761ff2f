using System.CommandLine;
using Millrace.Server.Security.Users;

namespace Millrace.App.Commands;

/// <summary><c>millrace user grant</c> and <c>revoke</c>: the roles of a user.</summary>
internal static class UserGrantCommand
{
    public static Command CreateGrant(CliContext context) =>
        Create("grant", "Give roles to a user.", static (had, roles) => had.Union(roles), context);

    public static Command CreateRevoke(CliContext context) =>
        Create("revoke", "Take roles from a user.", static (had, roles) => had.Except(roles), context);

    private static CliCommand Create(
        string word,
        string description,
        Func<IEnumerable<string>, IEnumerable<string>, IEnumerable<string>> change,
        CliContext context)
    {
        var name = UsersEdit.User();
        var roles = new Argument<string[]>("ROLE") { Description = "admin, or roles that were defined.", Arity = ArgumentArity.OneOrMore };
        var command = new CliCommand(word, description, $"millrace user {word} ada worker")
        {
            name, roles,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var changed = new UserEntry { Name = arguments.GetRequiredValue(name) };
            await UsersEdit.ChangeAsync(arguments, context, Change, cancellationToken);
            var now = changed.Roles.Count == 0 ? "no role" : string.Join(", ", changed.Roles);
            return UsersEdit.Report(arguments, context, $"'{changed.Name}' has {now}.", json =>
            {
                json.WriteString("name", changed.Name);
                UsersFileWriter.WriteTexts(json, "roles", changed.Roles);
            });

            UsersDocument Change(UsersDocument document)
            {
                var named = arguments.GetRequiredValue(roles);
                UsersEdit.RequireRoles(document, named);
                var user = UsersEdit.Require(document, changed.Name);
                changed = user with { Roles = [.. change(user.Roles, named)] };
                return document.With(changed);
            }
        });
        return command;
    }
}
