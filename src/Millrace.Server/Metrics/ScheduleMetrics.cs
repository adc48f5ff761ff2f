using Millrace.Scheduling;
using Millrace.Server.Hosting;

namespace Millrace.Server.Metrics;

/// <summary>What fires the schedules of a node, in numbers; nothing where schedules are not fired.</summary>
internal static class ScheduleMetrics
{
    public static void WriteTo(PrometheusWriter writer, NodeSchedulers schedulers)
    {
        var stats = schedulers.Running.Select(running => (running.Instance, running.Scheduler.Stats)).ToList();
        if (stats.Count == 0)
        {
            return;
        }

        Write("millrace_schedules", "gauge", "Schedules that are known, whether they are fired or not.", of => of.Schedules);
        Write("millrace_schedules_fired_total", "counter", "Occurrences that this node has sent; those of other nodes are not among them.", of => of.Fired);
        Write("millrace_schedules_overdue_seconds", "gauge", "How long the first schedule has been due without having been fired.", of => of.Overdue.TotalSeconds);

        void Write(string name, string type, string help, Func<SchedulerStats, double> value)
        {
            writer.Family(name, type, help);
            foreach (var (instance, of) in stats)
            {
                writer.Sample(name, [("instance", instance)], value(of));
            }
        }
    }
}
