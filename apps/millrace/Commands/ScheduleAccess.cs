using System.CommandLine;
using Millrace.Client;
using Millrace.Scheduling;
using Millrace.Storage;

namespace Millrace.App.Commands;

/// <summary>What the commands of schedules share: the store as schedules and the history need it, and how a schedule is named.</summary>
internal static class ScheduleAccess
{
    // The scheme under which the store is found that is open already.
    private const string Opened = "opened";

    public static Argument<string> Schedule(string description = "The schedule.") => new("SCHEDULE") { Description = description };

    /// <summary>Opens the store that the command line or the environment names. Disposing closes it.</summary>
    /// <exception cref="BackendCapabilityException">It has no queues or no state.</exception>
    public static async ValueTask<MillraceClient> OpenAsync(ParseResult arguments, CliContext context, CancellationToken cancellationToken)
    {
        var backends = new BackendRegistry();
        backends.Add(Opened, (_, _, opening) => context.OpenAsync(arguments, opening));
        return await MillraceClient.OpenAsync(
            $"{Opened}:",
            options =>
            {
                options.Backends = backends;
                options.TimeProvider = context.TimeProvider;
            },
            cancellationToken);
    }

    /// <summary>A schedule that must exist.</summary>
    public static async ValueTask<ScheduleInfo> RequireAsync(this ScheduleClient schedules, string schedule, CancellationToken cancellationToken) =>
        await schedules.GetAsync(schedule, cancellationToken) ?? throw new ScheduleNotFoundException(schedule);
}
