using System.CommandLine;
using System.Globalization;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary>The options that choose dead letters.</summary>
internal sealed class DeadLetterOptions(TimeProvider timeProvider)
{
    private readonly Option<string?> _id = new("--id") { Description = "Only the one with this id.", HelpName = "ID" };
    private readonly Option<string?> _reason = new("--reason") { Description = "Only those with exactly this reason, such as max-deliveries.", HelpName = "REASON" };
    private readonly Option<string?> _error = new("--error-contains") { Description = "Only those whose last error contains this text.", HelpName = "TEXT" };
    private readonly Option<string?> _since = new("--since")
    {
        Description = "Only those that died since: a time such as 2026-01-31T08:00Z, or a duration before now such as 2h.",
        HelpName = "TIME",
    };

    public void AddTo(Command command)
    {
        command.Add(_id);
        command.Add(_reason);
        command.Add(_error);
        command.Add(_since);
    }

    public DeadLetterFilter Read(ParseResult arguments) => new()
    {
        Id = arguments.GetValue(_id),
        Reason = arguments.GetValue(_reason),
        ErrorContains = arguments.GetValue(_error),
        Since = ReadSince(arguments.GetValue(_since)),
    };

    private DateTimeOffset? ReadSince(string? text)
    {
        if (text is null)
        {
            return null;
        }

        if (DurationText.TryParse(text, out var ago))
        {
            return timeProvider.GetUtcNow() - ago;
        }

        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out var time)
            ? time
            : throw new UsageException($"--since needs a time such as 2026-01-31T08:00Z, or a duration such as 2h, not '{text}'.");
    }
}
