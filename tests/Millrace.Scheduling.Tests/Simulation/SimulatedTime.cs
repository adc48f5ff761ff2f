namespace Millrace.Scheduling.Tests.Simulation;

/// <summary>
/// The time of the world, or of one machine: that of the world, with a wall clock that may be set. Timers of a machine ring when it is told to let them, on the one thread of the simulation;
/// those of the world never do, for the store looks at the clock when it is asked something.
/// </summary>
internal sealed class SimulatedTime(SimulatedTime? world = null) : TimeProvider
{
    private static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly List<SimulatedTimer> _timers = [];
    private TimeSpan _passed;

    /// <summary>How wrong the wall clock is.</summary>
    public TimeSpan Offset { get; set; }

    public TimeSpan Passed => world?.Passed ?? _passed;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Passed.Ticks;

    public override DateTimeOffset GetUtcNow() => Start + Passed + Offset;

    public void Advance(TimeSpan by) => _passed += by;

    /// <summary>Lets those timers ring whose time has come, in their order.</summary>
    public void Ring()
    {
        while (_timers.Where(timer => timer.At <= Passed).MinBy(timer => timer.At) is { } timer)
        {
            timer.Ring();
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new SimulatedTimer(this, callback, state);
        timer.Change(dueTime, period);
        if (world is not null)
        {
            _timers.Add(timer);
        }

        return timer;
    }

    /// <summary>Rings once each time that it is set.</summary>
    private sealed class SimulatedTimer(SimulatedTime time, TimerCallback callback, object? state) : ITimer
    {
        public TimeSpan? At { get; private set; }

        public void Ring()
        {
            At = null;
            callback(state);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            At = dueTime == Timeout.InfiniteTimeSpan ? null : time.Passed + dueTime;
            return true;
        }

        public void Dispose() => time._timers.Remove(this);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}
