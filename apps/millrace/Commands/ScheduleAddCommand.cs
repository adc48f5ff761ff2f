using System.CommandLine;
using Millrace.App.Output;
using Millrace.Scheduling;
using Millrace.Scheduling.Triggers;
using Millrace.Storage.Http.Wire;

namespace Millrace.App.Commands;

/// <summary><c>millrace schedule add</c>.</summary>
internal static class ScheduleAddCommand
{
    public static Command Create(CliContext context)
    {
        var schedule = ScheduleAccess.Schedule("The name: 1 to 120 bytes, without '!', '@' and control characters.");
        var options = new ScheduleOptions();
        var command = new CliCommand(
            "add",
            "Define a schedule, or change the one of that name. A pause stays, and what has not changed goes on as before.",
            "millrace schedule add nightly --cron '0 3 * * *' --zone Europe/Berlin --job send-report",
            "millrace schedule add beat --every 5s --message tick --queue beats",
            "millrace schedule add party --at 2027-01-01T00:00:00Z --message-json '{\"to\":\"all\"}' --queue mails")
        {
            schedule,
        };
        options.AddTo(command);
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments, arguments.GetRequiredValue(schedule), options, context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string schedule, ScheduleOptions options, CliContext context, CancellationToken cancellationToken)
    {
        ScheduleDefinition definition;
        try
        {
            definition = options.Read(arguments, schedule);
        }
        catch (InvalidTriggerException exception) when (exception.Position is { } position)
        {
            await ShowFaultAsync(context.Error, exception.Message, options.TriggerTextOf(arguments), position);
            return ExitCodes.Usage;
        }

        await using var mill = await ScheduleAccess.OpenAsync(arguments, context, cancellationToken);
        using var output = context.OpenOutput(arguments);
        var schedules = mill.Schedules;
        var change = await schedules.PutAsync(definition, cancellationToken: cancellationToken);
        var info = await schedules.RequireAsync(schedule, cancellationToken);
        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("schedule", schedule);
                json.WriteString("change", ScheduleWire.WordOf(change));
                json.WriteString("status", ScheduleWire.WordOf(info.Status));
                MessageText.WriteTime(json, "nextDue", info.NextDue);
            });
        }
        else
        {
            var done = change switch { ScheduleChange.Created => "Created", ScheduleChange.Updated => "Changed", _ => "Nothing has changed in" };
            output.WriteLine($"{done} schedule '{schedule}': {(info.NextDue is null ? ScheduleWire.WordOf(info.Status) : "due next at " + MessageText.Time(info.NextDue))}.");
        }

        return ExitCodes.Done;
    }

    // The text on a line of its own, with a mark under the fault.
    private static async Task ShowFaultAsync(TextWriter error, string message, string text, int position)
    {
        await error.WriteLineAsync($"millrace: {message}");
        await error.WriteLineAsync("  " + string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c)));
        await error.WriteLineAsync($"  {new string(' ', Math.Clamp(position, 0, text.Length))}^");
    }
}
