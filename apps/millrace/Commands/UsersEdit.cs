using System.CommandLine;
using Millrace.Server.Security.Users;

namespace Millrace.App.Commands;

/// <summary>What the commands on users have in common: the file, and the words for what is not in it.</summary>
internal static class UsersEdit
{
    public static Argument<string> User(string description = "The user's name.") => new("NAME") { Description = description };

    public static Argument<string> Key() => new("KEYNAME") { Description = "What the key is called." };

    /// <summary>Changes the users file that is meant; a file that is not there is an error.</summary>
    public static Task ChangeAsync(ParseResult arguments, CliContext context, Func<UsersDocument, UsersDocument> change, CancellationToken cancellationToken) =>
        UsersFile.EditAsync(DefaultUsersFile.Prepare(arguments, context), mayCreate: false, change, context.TimeProvider, cancellationToken);

    /// <summary>Changes the users file that is meant, or makes it, and says so.</summary>
    public static async Task ChangeOrCreateAsync(ParseResult arguments, CliContext context, Func<UsersDocument, UsersDocument> change, CancellationToken cancellationToken)
    {
        var file = DefaultUsersFile.Prepare(arguments, context);
        var isNew = !File.Exists(file);
        await UsersFile.EditAsync(file, mayCreate: true, change, context.TimeProvider, cancellationToken);
        if (isNew)
        {
            await context.Error.WriteLineAsync($"millrace: Made the users file {file}. A server that was started without users takes it up when it is started again.");
        }
    }

    public static UserEntry Require(UsersDocument document, string name) =>
        document.FindUser(name) ?? throw new UserEntryNotFoundException($"There is no user '{name}'.");

    public static RoleEntry RequireRole(UsersDocument document, string name) =>
        document.FindRole(name) ?? throw new UserEntryNotFoundException($"There is no role '{name}' in the users file.");

    /// <summary>Refuses roles that users cannot have.</summary>
    public static void RequireRoles(UsersDocument document, IEnumerable<string> roles)
    {
        foreach (var role in roles)
        {
            if (!document.RoleNames.Contains(role))
            {
                throw new UsageException($"There is no role '{role}', only {string.Join(", ", document.RoleNames)}. Define it with 'millrace user role set'.");
            }
        }
    }

    /// <summary>Refuses names that break the rule.</summary>
    public static void RequireName(string kind, string name)
    {
        if (UserNames.FaultOf(kind, name) is { } fault)
        {
            throw new UsageException(fault);
        }
    }

    /// <summary>Prints what was done.</summary>
    public static int Report(ParseResult arguments, CliContext context, string line, Action<System.Text.Json.Utf8JsonWriter> writeMembers)
    {
        using var output = context.OpenOutput(arguments);
        if (output.IsJson)
        {
            output.WriteObject(writeMembers);
        }
        else
        {
            output.WriteLine(line);
        }

        return ExitCodes.Done;
    }
}
