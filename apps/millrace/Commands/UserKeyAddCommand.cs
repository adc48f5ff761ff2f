using System.CommandLine;
using Millrace.App.Output;
using Millrace.Server.Security.Users;

namespace Millrace.App.Commands;

/// <summary><c>millrace user key add</c>: prints the key, this once.</summary>
internal static class UserKeyAddCommand
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(36_500);

    public static Command Create(CliContext context)
    {
        var name = UsersEdit.User();
        var keyName = UsersEdit.Key();
        var expires = DurationText.Option("--expires", "How long the key is valid, such as 90d; without end unless set.");
        var command = new CliCommand(
            "add",
            "Make a key and print it. It is stored as a hash only, so it cannot be shown again.",
            "millrace user key add mailer host-7 --expires 90d")
        {
            name, keyName, expires,
        };
        command.SetAction((arguments, cancellationToken) =>
        {
            UsersEdit.RequireName("key", arguments.GetRequiredValue(keyName));
            var valid = arguments.GetValue(expires);
            return valid is null || (valid > TimeSpan.Zero && valid <= Longest)
                ? AddAsync(arguments, arguments.GetRequiredValue(name), arguments.GetRequiredValue(keyName), valid, context, cancellationToken)
                : throw new UsageException($"--expires must be above 0 and at most {Longest.TotalDays:0}d.");
        });
        return command;
    }

    private static async Task<int> AddAsync(
        ParseResult arguments,
        string user,
        string keyName,
        TimeSpan? valid,
        CliContext context,
        CancellationToken cancellationToken)
    {
        var now = context.TimeProvider.GetUtcNow();
        var created = DateTimeOffset.FromUnixTimeSeconds(now.ToUnixTimeSeconds());
        var (key, text) = BearerKey.Create(keyName, created, valid is null ? null : created + valid);
        await UsersEdit.ChangeAsync(arguments, context, Add, cancellationToken);
        var until = key.ExpiresAt is null ? "It does not expire." : $"It is valid until {MessageText.Time(key.ExpiresAt)}.";
        await context.Error.WriteLineAsync($"millrace: The key '{keyName}' of '{user}' is shown this once. {until}");
        return UsersEdit.Report(arguments, context, text, json =>
        {
            json.WriteString("name", user);
            json.WriteString("keyName", keyName);
            json.WriteString("id", key.Id);
            MessageText.WriteTime(json, "expires", key.ExpiresAt);
            json.WriteString("key", text);
        });

        UsersDocument Add(UsersDocument document)
        {
            var entry = UsersEdit.Require(document, user);
            return entry.Keys.All(other => other.Name != keyName)
                ? document.With(entry with { Keys = [.. entry.Keys, key] })
                : throw new UsageException($"'{user}' has a key '{keyName}' already. Remove it first, or choose another name.");
        }
    }
}
