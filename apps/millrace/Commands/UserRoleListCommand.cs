using System.CommandLine;
using Millrace.App.Output;
using Millrace.Server.Security;
using Millrace.Server.Security.Users;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace user role list</c>.</summary>
internal static class UserRoleListCommand
{
    public static Command Create(CliContext context)
    {
        var command = new CliCommand("list", "List roles with their rules, a rule a line.", "millrace user role list", "millrace user role list --json");
        command.SetAction(arguments => Run(arguments, context));
        return command;
    }

    private static int Run(ParseResult arguments, CliContext context)
    {
        var document = UsersFile.Read(DefaultUsersFile.Prepare(arguments, context));
        using var output = context.OpenOutput(arguments);
        var columns = new Columns("ROLE", "ALLOW", "WITH");
        columns.Add(RoleEntry.Administrator, "everything", "everything");
        foreach (var role in document.Roles)
        {
            foreach (var rule in role.Rules)
            {
                columns.Add(MessageText.Preview(role.Name), string.Join(", ", rule.Allow.Select(UsersFileWriter.NameOf)), PatternsOf(rule));
                if (output.IsJson)
                {
                    output.WriteObject(json =>
                    {
                        json.WriteString("role", role.Name);
                        UsersFileWriter.WriteMembers(json, rule);
                    });
                }
            }
        }

        if (!output.IsJson)
        {
            columns.WriteTo(output);
        }

        return ExitCodes.Done;
    }

    private static string PatternsOf(RoleRule rule) =>
        string.Join("; ", Enum.GetValues<ResourceKind>().Where(kind => rule.PatternsOf(kind).Count > 0).Select(kind => $"{NameOf(kind)} {Text(rule.PatternsOf(kind))}"));

    private static string Text(IReadOnlyList<TopicPattern> patterns) => string.Join(" ", patterns.Select(pattern => MessageText.Preview(pattern.Text)));

    private static string NameOf(ResourceKind kind) => kind switch
    {
        ResourceKind.Queue => "queues",
        ResourceKind.Topic => "topics",
        ResourceKind.Stream => "streams",
        ResourceKind.Schedule => "schedules",
        ResourceKind.Lock => "locks",
        _ => "state",
    };
}
