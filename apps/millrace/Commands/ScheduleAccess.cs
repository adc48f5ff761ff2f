using System.CommandLine;
using Microsoft.Extensions.Logging.Abstractions;
using Millrace.Scheduling;
using Millrace.Scheduling.Schedules;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary>What the commands of schedules share: the schedules of a backend, and how a schedule is named.</summary>
internal static class ScheduleAccess
{
    public static Argument<string> Schedule(string description = "The schedule.") => new("SCHEDULE") { Description = description };

    /// <summary>The schedules of a backend.</summary>
    public static ScheduleClient Open(Backend backend, CliContext context) => new ScheduleServices(
        backend.Require<IStateStore>(),
        backend.Require<IQueueStore>(),
        backend.Find<IQueueAdmin>(),
        static (_, _) => default,
        static (_, _) => default,
        $"{Environment.MachineName}/{Environment.ProcessId}",
        context.TimeProvider,
        NullLoggerFactory.Instance).Client;

    /// <summary>A schedule that must exist.</summary>
    public static async ValueTask<ScheduleInfo> RequireAsync(this ScheduleClient schedules, string schedule, CancellationToken cancellationToken) =>
        await schedules.GetAsync(schedule, cancellationToken) ?? throw new ScheduleNotFoundException(schedule);
}
