using System.CommandLine;

namespace Millrace.App.Commands;

/// <summary><c>millrace schedule pause</c> and <c>resume</c>.</summary>
internal static class ScheduleSwitchCommand
{
    public static Command CreatePause(CliContext context) =>
        Create("pause", "Stop firing a schedule until it is resumed. What was fired runs.", isPaused: true, context);

    public static Command CreateResume(CliContext context) =>
        Create("resume", "Fire a schedule again. Its misfire policy says what becomes of what was due meanwhile.", isPaused: false, context);

    private static CliCommand Create(string word, string description, bool isPaused, CliContext context)
    {
        var schedule = ScheduleAccess.Schedule();
        var command = new CliCommand(word, description, $"millrace schedule {word} nightly")
        {
            schedule,
        };
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments, arguments.GetRequiredValue(schedule), isPaused, context, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, string schedule, bool isPaused, CliContext context, CancellationToken cancellationToken)
    {
        await using var mill = await ScheduleAccess.OpenAsync(arguments, context, cancellationToken);
        using var output = context.OpenOutput(arguments);
        var schedules = mill.Schedules;
        if (!await (isPaused ? schedules.PauseAsync(schedule, cancellationToken) : schedules.ResumeAsync(schedule, cancellationToken)))
        {
            throw new ScheduleNotFoundException(schedule);
        }

        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("schedule", schedule);
                json.WriteBoolean("paused", isPaused);
            });
        }
        else
        {
            output.WriteLine(isPaused ? $"Paused schedule '{schedule}'." : $"Resumed schedule '{schedule}'.");
        }

        return ExitCodes.Done;
    }
}
