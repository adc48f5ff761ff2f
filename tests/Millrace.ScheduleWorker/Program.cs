using System.Globalization;
using Millrace.Client;
using Millrace.Queues;
using Millrace.Scheduling;
using Millrace.Scheduling.Triggers;

namespace Millrace.ScheduleWorker;

/// <summary>
/// One of several nodes that are made to be killed: defines a schedule of every second, fires it, and runs its job, which says "run DUE" (in milliseconds since 1970) when it has been
/// called. Says "ready" when it does all that.
/// </summary>
internal static class Program
{
    public static async Task<int> Main(string[] args)
    {
        if (args.Length != 2)
        {
            await Console.Error.WriteLineAsync("usage: Millrace.ScheduleWorker URL LEASE_MS");
            return 2;
        }

        await using var output = new StreamWriter(Console.OpenStandardOutput());
        var gate = new SemaphoreSlim(1, 1);
        await using var mill = await MillraceClient.OpenAsync(args[0], options =>
        {
            options.Leasing = new QueueDispatcherOptions { LeaseDuration = TimeSpan.FromMilliseconds(int.Parse(args[1], CultureInfo.InvariantCulture)) };
            options.Jobs.Add<Beat>((_, context, _) => SayAsync(string.Create(CultureInfo.InvariantCulture, $"run {context.DueAt.ToUnixTimeMilliseconds()}")));
        });
        var schedule = new ScheduleDefinition
        {
            Name = "beat",
            Trigger = Trigger.Every(TimeSpan.FromSeconds(1)),
            Target = mill.Jobs.TargetOf(new Beat()),

            // A run whose node was killed holds nobody up: each second has its run.
            Overlap = OverlapPolicy.Allow(),
        };
        await using var worker = mill.JobWorker();
        await using var scheduler = mill.Scheduler(new SchedulerOptions { Application = "beats", Schedules = [schedule] });
        await worker.StartAsync();
        await scheduler.StartAsync();
        await SayAsync("ready");
        await Task.WhenAny(worker.Completion, scheduler.Completion);
        return 1;

        async Task SayAsync(string line)
        {
            await gate.WaitAsync();
            try
            {
                await output.WriteLineAsync(line);
                await output.FlushAsync();
            }
            finally
            {
                gate.Release();
            }
        }
    }

    /// <summary>The job.</summary>
    [Job("beat")]
    internal sealed record Beat;
}
