using System.CommandLine;

namespace Millrace.App.Commands;

/// <summary><c>millrace schedule run-now</c>.</summary>
internal static class ScheduleRunNowCommand
{
    public static Command Create(CliContext context)
    {
        var schedule = ScheduleAccess.Schedule();
        var command = new CliCommand(
            "run-now", "Fire one more occurrence of a schedule now, whatever its trigger, a pause and its policies say.", "millrace schedule run-now nightly")
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
        var run = await mill.Schedules.RunNowAsync(schedule, cancellationToken) ?? throw new ScheduleNotFoundException(schedule);
        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("schedule", schedule);
                json.WriteString("run", run);
            });
        }
        else
        {
            output.WriteLine(run);
        }

        return ExitCodes.Done;
    }
}
