using System.CommandLine;
using Millrace.App.Output;
using Millrace.Scheduling;

namespace Millrace.App.Commands;

/// <summary><c>millrace schedule next</c>: when a schedule is due.</summary>
internal static class ScheduleNextCommand
{
    private const int DefaultCount = 10;

    public static Command Create(CliContext context)
    {
        var schedule = ScheduleAccess.Schedule();
        var count = Arguments.Number("--count", $"How many times at most; {DefaultCount} unless set.", DefaultCount);
        var command = new CliCommand(
            "next", "Print when a schedule is due next, in UTC, by its trigger, start and end; without jitter.", "millrace schedule next nightly --count 3")
        {
            schedule, count,
        };
        command.SetAction((arguments, cancellationToken) =>
            RunAsync(arguments, arguments.GetRequiredValue(schedule), arguments.GetValue(count), context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string schedule, int count, CliContext context, CancellationToken cancellationToken)
    {
        await using var mill = await ScheduleAccess.OpenAsync(arguments, context, cancellationToken);
        using var output = context.OpenOutput(arguments);
        var info = await mill.Schedules.RequireAsync(schedule, cancellationToken);
        foreach (var due in ScheduleClient.Preview(info.Definition, context.TimeProvider.GetUtcNow(), count))
        {
            if (output.IsJson)
            {
                output.WriteObject(json => json.WriteString("due", due));
            }
            else
            {
                output.WriteLine(MessageText.Time(due));
            }
        }

        return ExitCodes.Done;
    }
}
