using System.CommandLine;

namespace Millrace.App.Commands;

/// <summary><c>millrace schedule</c>: what is run when.</summary>
internal static class ScheduleCommand
{
    public static Command Create(CliContext context) => new CliCommand(
        "schedule",
        "Define, list, pause, run and remove schedules. A node that 'millrace serve' runs, or an application with a scheduler, fires them.",
        "millrace schedule add nightly --cron '0 3 * * *' --zone Europe/Berlin --job send-report",
        "millrace schedule list")
    {
        ScheduleAddCommand.Create(context),
        ScheduleApplyCommand.Create(context),
        ScheduleListCommand.Create(context),
        ScheduleShowCommand.Create(context),
        ScheduleNextCommand.Create(context),
        ScheduleHistoryCommand.Create(context),
        ScheduleRunNowCommand.Create(context),
        ScheduleSwitchCommand.CreatePause(context),
        ScheduleSwitchCommand.CreateResume(context),
        ScheduleRemoveCommand.Create(context),
    };
}
