using System.CommandLine;
using System.CommandLine.Parsing;
using Millrace.App.Output;
using Millrace.Scheduling;
using Millrace.Storage.Http.Wire;

namespace Millrace.App.Commands;

/// <summary><c>millrace schedule list</c>: schedules with when they are due.</summary>
internal static class ScheduleListCommand
{
    private const int PageSize = 500;

    private static readonly string Words = string.Join(", ", ScheduleWire.Statuses.Select(status => status.Word));

    public static Command Create(CliContext context)
    {
        var prefix = new Argument<string?>("PREFIX") { Description = "Only schedules whose names begin with this.", Arity = ArgumentArity.ZeroOrOne };
        var tag = new Option<string?>("--tag") { Description = "Only those with this tag.", HelpName = "TAG" };
        var status = new Option<ScheduleStatus?>("--status") { Description = $"Only those of this status: {Words}.", HelpName = "STATUS", CustomParser = ParseStatus };
        var command = new CliCommand(
            "list",
            "List schedules by name: whether they are fired, when they are due next, in UTC, and what came of them.",
            "millrace schedule list",
            "millrace schedule list --status paused --json")
        {
            prefix, tag, status,
        };
        command.SetAction((arguments, cancellationToken) =>
        {
            var query = new ScheduleQuery { Prefix = arguments.GetValue(prefix) ?? "", Tag = arguments.GetValue(tag), Status = arguments.GetValue(status) };
            return RunAsync(arguments, query, context, cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, ScheduleQuery query, CliContext context, CancellationToken cancellationToken)
    {
        await using var mill = await ScheduleAccess.OpenAsync(arguments, context, cancellationToken);
        using var output = context.OpenOutput(arguments);
        var schedules = mill.Schedules;
        var columns = new Columns("SCHEDULE", "STATUS", "TRIGGER", "NEXT DUE", "FIRED", "OPEN", "FAILED", "SKIPPED", "SOURCE");
        string? after = null;
        do
        {
            var page = await schedules.ListAsync(query, after, PageSize, cancellationToken);
            foreach (var schedule in page)
            {
                columns.Add(
                    MessageText.Preview(schedule.Definition.Name),
                    ScheduleWire.WordOf(schedule.Status),
                    MessageText.Preview(schedule.Definition.Trigger.ToString()),
                    MessageText.Time(schedule.NextDue),
                    MessageText.Count(schedule.Fired),
                    MessageText.Count(schedule.OpenRuns.Count),
                    MessageText.Count(schedule.Failed),
                    MessageText.Count(schedule.Skipped),
                    MessageText.Preview(schedule.Source));
                if (output.IsJson)
                {
                    output.WriteObject(json => ScheduleWire.WriteMembers(json, schedule));
                }
            }

            after = page.Count == PageSize ? page[^1].Definition.Name : null;
        }
        while (after is not null);
        if (!output.IsJson)
        {
            columns.WriteTo(output);
        }

        return ExitCodes.Done;
    }

    private static ScheduleStatus? ParseStatus(ArgumentResult result)
    {
        foreach (var (word, status) in ScheduleWire.Statuses)
        {
            if (word == result.Tokens[0].Value)
            {
                return status;
            }
        }

        result.AddError($"--status takes {Words}, not '{result.Tokens[0].Value}'.");
        return null;
    }
}
