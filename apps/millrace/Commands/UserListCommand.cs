using System.CommandLine;
using System.Text.Json;
using Millrace.App.Output;
using Millrace.Server.Security.Users;

namespace Millrace.App.Commands;

/// <summary><c>millrace user list</c>.</summary>
internal static class UserListCommand
{
    public static Command Create(CliContext context)
    {
        var command = new CliCommand("list", "List users with their roles and keys. Secrets are not stored, and not shown.", "millrace user list", "millrace user list --json");
        command.SetAction(arguments => Run(arguments, context));
        return command;
    }

    private static int Run(ParseResult arguments, CliContext context)
    {
        var document = UsersFile.Read(DefaultUsersFile.Prepare(arguments, context));
        using var output = context.OpenOutput(arguments);
        var columns = new Columns("NAME", "ROLES", "PASSWORD", "KEYS", "STATE");
        foreach (var user in document.Users.OrderBy(user => user.Name, StringComparer.Ordinal))
        {
            if (output.IsJson)
            {
                output.WriteObject(json => WriteMembers(json, user));
            }
            else
            {
                columns.Add(
                    MessageText.Preview(user.Name),
                    MessageText.Preview(string.Join(", ", user.Roles)),
                    user.Password is null ? "no" : "yes",
                    MessageText.Preview(string.Join(", ", user.Keys.Select(key => TextOf(key, context.TimeProvider)))),
                    user.IsDisabled ? "disabled" : "enabled");
            }
        }

        if (!output.IsJson)
        {
            columns.WriteTo(output);
        }

        return ExitCodes.Done;
    }

    private static string TextOf(BearerKey key, TimeProvider timeProvider) => key.ExpiresAt switch
    {
        null => key.Name,
        var end when end <= timeProvider.GetUtcNow() => $"{key.Name} (expired)",
        var end => $"{key.Name} (until {MessageText.Time(end)})",
    };

    private static void WriteMembers(Utf8JsonWriter json, UserEntry user)
    {
        json.WriteString("name", user.Name);
        UsersFileWriter.WriteTexts(json, "roles", user.Roles);
        json.WriteBoolean("password", user.Password is not null);
        json.WriteBoolean("disabled", user.IsDisabled);
        json.WriteStartArray("keys");
        foreach (var key in user.Keys)
        {
            json.WriteStartObject();
            json.WriteString("name", key.Name);
            json.WriteString("id", key.Id);
            json.WriteString("created", key.CreatedAt);
            MessageText.WriteTime(json, "expires", key.ExpiresAt);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
