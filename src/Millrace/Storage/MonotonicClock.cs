namespace Millrace.Storage;

/// <summary>
/// The time of one store: whole ticks of 100 ns since it was opened, from the monotonic timestamps of a <see cref="TimeProvider"/>, so that leases and
/// delays do not jump when somebody sets the wall clock. Safe for concurrent use.
/// </summary>
internal sealed class MonotonicClock
{
    /// <summary>The instant that never comes.</summary>
    public const long Never = long.MaxValue;

    private const long NanosecondsPerSecond = 1_000_000_000;
    private const long NanosecondsPerTick = 100;

    private readonly long _start;
    private readonly bool _isNanoseconds;

    public MonotonicClock(TimeProvider timeProvider)
    {
        TimeProvider = timeProvider;
        _start = timeProvider.GetTimestamp();
        _isNanoseconds = timeProvider.TimestampFrequency == NanosecondsPerSecond;
    }

    public TimeProvider TimeProvider { get; }

    /// <summary>Now, in ticks since the store was opened.</summary>
    // GetElapsedTime goes through floating point; the usual frequency needs one division by a constant.
    public long Now => _isNanoseconds
        ? (TimeProvider.GetTimestamp() - _start) / NanosecondsPerTick
        : TimeProvider.GetElapsedTime(_start).Ticks;

    /// <summary>Now by the wall clock, for what people read.</summary>
    public DateTimeOffset UtcNow => TimeProvider.GetUtcNow();

    /// <summary>The instant that lies <paramref name="duration"/> after <paramref name="instant"/>; <see cref="Never"/> when that is beyond all time.</summary>
    public static long Add(long instant, TimeSpan duration) => Add(instant, duration.Ticks);

    /// <summary>The instant that lies <paramref name="ticks"/> after <paramref name="instant"/>; <see cref="Never"/> when that is beyond all time.</summary>
    public static long Add(long instant, long ticks) => ticks >= Never - instant ? Never : instant + ticks;
}
