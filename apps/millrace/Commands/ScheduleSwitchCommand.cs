using System.CommandLine;
using Millrace.Scheduling;
using Millrace.Storage.Http.Wire;

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

        var info = await schedules.GetAsync(schedule, cancellationToken) ?? throw new ScheduleNotFoundException(schedule);
        if (output.IsJson)
        {
            output.WriteObject(json =>
            {
                json.WriteString("schedule", schedule);
                json.WriteBoolean("paused", isPaused);
                json.WriteString("status", ScheduleWire.WordOf(info.Status));
            });
        }
        else
        {
            output.WriteLine(isPaused ? $"Paused schedule '{schedule}'." : $"Resumed schedule '{schedule}'{WhyStill(info.Status)}.");
        }

        return ExitCodes.Done;
    }

    // What is not fired for another reason than a pause is not fired now either.
    private static string WhyStill(ScheduleStatus status) => status switch
    {
        ScheduleStatus.Disabled => "; it is not fired, for its definition disables it",
        ScheduleStatus.Orphaned => "; it is not fired, for what defined it does not any more: define it again",
        ScheduleStatus.Ended => "; it is not fired, for it has no further occurrence",
        _ => "",
    };
}
