using System.Reflection;
using System.Text;
using Millrace.Scheduling.Triggers;

namespace Millrace.Scheduling.Schedules;

/// <summary>The schedules that stand at the classes of registered jobs.</summary>
internal static class ScheduledJobs
{
    /// <summary>Those of a registry.</summary>
    public static IEnumerable<UnreadSchedule> Of(JobRegistry registry)
    {
        foreach (var job in registry.Types)
        {
            foreach (var schedule in job.ArgumentsType.GetCustomAttributes<ScheduleAttribute>(inherit: false))
            {
                var name = schedule.Name ?? job.Name;
                yield return new UnreadSchedule(name, () => new ScheduleDefinition
                {
                    Name = name,
                    Trigger = Trigger.Parse(schedule.Trigger, schedule.Zone),
                    Target = new JobTarget { Job = job.Name, Version = job.Version, Arguments = Encoding.UTF8.GetBytes(schedule.Arguments) },
                    Queue = schedule.Queue ?? ScheduleDefinition.DefaultQueue,
                    Track = schedule.Track,
                });
            }
        }
    }
}
