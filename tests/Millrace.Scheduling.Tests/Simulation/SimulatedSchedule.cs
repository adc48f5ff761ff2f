using Millrace.Scheduling.Triggers;

namespace Millrace.Scheduling.Tests.Simulation;

/// <summary>A schedule of the simulation: its policies stay, its trigger and the rest change.</summary>
internal sealed class SimulatedSchedule
{
    private static readonly int[] Intervals = [5, 13, 30, 60, 600];

    private readonly Random _random;
    private readonly DateTimeOffset _start;
    private readonly MisfirePolicy _misfire;
    private readonly OverlapPolicy _overlap;
    private readonly bool _isPlain;
    private ScheduleDefinition? _last;

    public SimulatedSchedule(string name, Random random, DateTimeOffset start)
    {
        Name = name;
        _random = random;
        _start = start;
        _misfire = random.Next(3) switch { 0 => MisfirePolicy.Skip, 1 => MisfirePolicy.FireOnce, _ => MisfirePolicy.FireAll(random.Next(2, 6)) };
        _misfire = random.Next(2) == 0 ? _misfire : _misfire with { Grace = TimeSpan.FromSeconds(Math.Max(1, random.Next(0, 60))) };
        _isPlain = random.Next(10) == 0;
        _overlap = _isPlain
            ? OverlapPolicy.Skip
            : random.Next(5) switch
            {
                0 or 1 => OverlapPolicy.Skip,
                2 => OverlapPolicy.BufferOne,
                3 => OverlapPolicy.CancelRunning,
                _ => OverlapPolicy.Allow(random.Next(1, 4)),
            };
    }

    public string Name { get; }

    /// <summary>The next definition: with another trigger, another description only, or the same again.</summary>
    public ScheduleDefinition Next() => _last = _last is null || _random.Next(3) == 0 ? Anew()
        : _random.Next(2) == 0 ? _last with { Description = $"Change {_random.Next(100)}", IsEnabled = _random.Next(4) > 0 }
        : _last;

    private ScheduleDefinition Anew()
    {
        var trigger = Trigger.Every(TimeSpan.FromSeconds(Intervals[_random.Next(Intervals.Length)]), _start.AddSeconds(_random.Next(10)));
        return new ScheduleDefinition
        {
            Name = Name,
            Trigger = _random.Next(4) > 0 ? trigger : Trigger.AnyOf(trigger, Trigger.Cron("*/7 * * * * *")),
            Target = _isPlain ? new MessageTarget() : new JobTarget { Job = SimulatedJob.Name },
            Queue = _isPlain ? "plain" : ScheduleDefinition.DefaultQueue,
            Misfire = _misfire,
            Retry = _isPlain ? null : new JobRetry { MaxAttempts = 3, Kind = RetryDelay.Random, Delay = TimeSpan.Zero, MaxDelay = TimeSpan.FromSeconds(20) },
            Overlap = _overlap,
            Jitter = _random.Next(4) == 0 ? TimeSpan.FromSeconds(_random.Next(1, 60)) : TimeSpan.Zero,
            MaxRuns = _random.Next(8) == 0 ? _random.Next(1, 30) : null,

            // After the first occurrence of the longest interval: one that is never due is refused.
            End = _random.Next(8) == 0 ? _start.AddMinutes(Math.Max(11, _random.Next(10, 120))) : null,
        };
    }
}
