using System.CommandLine;
using System.CommandLine.Parsing;
using Millrace.Server.Security;
using Millrace.Server.Security.Users;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary><c>millrace user role set</c>.</summary>
internal static class UserRoleSetCommand
{
    public static Command Create(CliContext context)
    {
        var name = new Argument<string>("ROLE") { Description = "The role's name." };
        var allow = new Option<Permission[]>("--allow")
        {
            Description = "What is allowed: send, receive, manage; several with commas.",
            HelpName = "PERMISSIONS",
            Required = true,
            CustomParser = ParsePermissions,
        };
        var queues = Patterns("--queues", "queues");
        var topics = Patterns("--topics", "topics");
        var streams = Patterns("--streams", "streams");
        var schedules = Patterns("--schedules", "schedules");
        var locks = Patterns("--locks", "locks");
        var state = Patterns("--state", "keys of state");
        var add = new Option<bool>("--add") { Description = "Add the rule to those that the role has, instead of replacing them." };
        var command = new CliCommand(
            "set",
            "Define a role by a rule: what is allowed, with what. Users who have the role get it at once.",
            "millrace user role set worker --allow send,receive --queues 'orders*'",
            "millrace user role set worker --add --allow receive --topics 'order.*' 'price.*'")
        {
            name, allow, queues, topics, streams, schedules, locks, state, add,
        };
        command.SetAction((arguments, cancellationToken) =>
        {
            var rule = new RoleRule
            {
                Allow = arguments.GetRequiredValue(allow),
                Queues = Read(arguments, queues),
                Topics = Read(arguments, topics),
                Streams = Read(arguments, streams),
                Schedules = Read(arguments, schedules),
                Locks = Read(arguments, locks),
                State = Read(arguments, state),
            };
            return RunAsync(arguments, arguments.GetRequiredValue(name), rule, arguments.GetValue(add), context, cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string name, RoleRule rule, bool isAdded, CliContext context, CancellationToken cancellationToken)
    {
        UsersEdit.RequireName("role", name);
        if (name == RoleEntry.Administrator)
        {
            throw new UsageException($"The role '{name}' is built in, and cannot be changed.");
        }

        if (Enum.GetValues<ResourceKind>().All(kind => rule.PatternsOf(kind).Count == 0))
        {
            throw new UsageException("Say with what: --queues, --topics, --streams, --schedules, --locks or --state, each with patterns such as 'orders*'.");
        }

        await UsersEdit.ChangeOrCreateAsync(arguments, context, Set, cancellationToken);
        return UsersEdit.Report(arguments, context, $"{(isAdded ? "Added to" : "Set")} the role '{name}'.", json => json.WriteString("role", name));

        UsersDocument Set(UsersDocument document) =>
            document.With(new RoleEntry(name, isAdded && document.FindRole(name) is { } role ? [.. role.Rules, rule] : [rule]));
    }

    private static Option<string[]> Patterns(string option, string what) => new(option)
    {
        Description = $"Patterns of {what}: * any characters, ? any one, [a-z] one of a set.",
        HelpName = "PATTERN",
        AllowMultipleArgumentsPerToken = true,
    };

    private static TopicPattern[] Read(ParseResult arguments, Option<string[]> option) =>
        [.. (arguments.GetValue(option) ?? []).Select(text => TopicPattern.Parse(text))];

    private static Permission[] ParsePermissions(ArgumentResult result)
    {
        var permissions = new List<Permission>();
        foreach (var word in result.Tokens.SelectMany(token => token.Value.Split(',')))
        {
            var index = Array.FindIndex(Enum.GetValues<Permission>(), permission => UsersFileWriter.NameOf(permission) == word.Trim());
            if (index < 0)
            {
                result.AddError($"--allow takes send, receive, manage, several with commas, not '{word}'.");
                return [];
            }

            permissions.Add((Permission)index);
        }

        return [.. permissions.Distinct()];
    }
}
