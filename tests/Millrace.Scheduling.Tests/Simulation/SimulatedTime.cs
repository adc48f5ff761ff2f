namespace Millrace.Scheduling.Tests.Simulation;

/// <summary>
/// The time of one machine: that of the world, with a wall clock that may be set. Its timers never ring, for in a simulation everything looks at the clock when it is its turn.
/// </summary>
internal sealed class SimulatedTime(SimulatedTime? world = null) : TimeProvider
{
    private static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private TimeSpan _passed;

    /// <summary>How wrong the wall clock is.</summary>
    public TimeSpan Offset { get; set; }

    public TimeSpan Passed => world?.Passed ?? _passed;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Passed.Ticks;

    public override DateTimeOffset GetUtcNow() => Start + Passed + Offset;

    public void Advance(TimeSpan by) => _passed += by;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => new SilentTimer();

    private sealed class SilentTimer : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => default;
    }
}
