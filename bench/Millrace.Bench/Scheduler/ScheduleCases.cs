using System.Diagnostics;
using Millrace.Client;
using Millrace.Scheduling;
using Millrace.Scheduling.Triggers;

namespace Millrace.Bench.Scheduler;

/// <summary>What very many schedules cost that are not due.</summary>
internal static class ScheduleCases
{
    private const int Schedules = 200_000;
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(10);

    /// <summary>
    /// A process with the store in memory and a scheduler: from the start of the scheduler until it knows all schedules, the memory that the process then has, and the processor time of ten
    /// seconds in which nothing is due.
    /// </summary>
    public static async Task<IReadOnlyList<Measurement>> ManyAsync(BenchContext context)
    {
        var client = await MillraceClient.OpenAsync("memory:", cancellationToken: context.CancellationToken);
        await using (client)
        {
            var defined = Stopwatch.StartNew();
            await DefineAsync(client, context.CancellationToken);
            defined.Stop();
            Memory.Settle();

            var started = Stopwatch.StartNew();
            var scheduler = client.Scheduler(new SchedulerOptions { Application = "bench" });
            await using (scheduler)
            {
                await scheduler.StartAsync(context.CancellationToken);
                started.Stop();
                if (scheduler.Stats.Schedules != Schedules)
                {
                    throw new InvalidOperationException($"The scheduler knows {scheduler.Stats.Schedules:N0} schedules, not {Schedules:N0}.");
                }

                await Task.Delay(Settling, TimeProvider.System, context.CancellationToken);
                var resident = Memory.ResidentMegabytes();
                var busy = Environment.CpuUsage.TotalTime;
                await Task.Delay(Rest, TimeProvider.System, context.CancellationToken);
                busy = Environment.CpuUsage.TotalTime - busy;
                await scheduler.StopAsync(context.CancellationToken);
                return
                [
                    new("rss_mb", resident, "MB"),
                    new("start_s", started.Elapsed.TotalSeconds, "s"),
                    new("define_s", defined.Elapsed.TotalSeconds, "s"),
                    new("idle_cpu_percent", 100 * busy / Rest, "%"),
                ];
            }
        }
    }

    /// <summary>Once a year each, in a zone whose clocks change: none is due in the next days.</summary>
    private static async Task DefineAsync(MillraceClient client, CancellationToken cancellationToken)
    {
        var soon = TimeProvider.System.GetUtcNow().AddDays(30);
        var definitions = new ScheduleDefinition[Schedules];
        for (var i = 0; i < definitions.Length; i++)
        {
            var day = soon.AddDays(i % 300);
            definitions[i] = new ScheduleDefinition
            {
                Name = $"schedule-{i:D6}",
                Trigger = Trigger.Cron(FormattableString.Invariant($"{i % 60} {i / 60 % 24} {day.Day} {day.Month} *"), "Europe/Berlin"),
                Target = new JobTarget { Job = "remind", Arguments = System.Text.Encoding.UTF8.GetBytes(FormattableString.Invariant($"{{\"customer\":{i}}}")) },
            };
        }

        await client.Schedules.PutManyAsync(definitions, cancellationToken: cancellationToken);
    }
}
