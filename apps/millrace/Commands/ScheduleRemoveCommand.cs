using System.CommandLine;

namespace Millrace.App.Commands;

/// <summary><c>millrace schedule remove</c>.</summary>
internal static class ScheduleRemoveCommand
{
    public static Command Create(CliContext context)
    {
        var schedule = ScheduleAccess.Schedule();
        var command = new CliCommand("remove", "Remove a schedule. Its runs that wait are not run any more; those that run go on.", "millrace schedule remove nightly")
        {
            schedule,
        };
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments, arguments.GetRequiredValue(schedule), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string schedule, CliContext context, CancellationToken cancellationToken)
    {
        await using var mill = await ScheduleAccess.OpenAsync(arguments, context, cancellationToken);
        using var output = context.OpenOutput(arguments);
        if (!await mill.Schedules.RemoveAsync(schedule, cancellationToken))
        {
            throw new ScheduleNotFoundException(schedule);
        }

        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("schedule", schedule);
                json.WriteBoolean("removed", true);
            });
        }
        else
        {
            output.WriteLine($"Removed schedule '{schedule}'.");
        }

        return ExitCodes.Done;
    }
}
