namespace Millrace.Redis.Queues;

/// <summary>Times of queues in Redis: microseconds since 1970 by the server's clock, and durations in microseconds.</summary>
internal static class RedisTime
{
    public static DateTimeOffset InstantOf(long microseconds) => DateTimeOffset.UnixEpoch.AddTicks(microseconds * TimeSpan.TicksPerMicrosecond);

    public static long MicrosecondsOf(DateTimeOffset instant) => (instant - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    /// <summary>Rounded up: a delay that is not zero stays one, and nothing is delivered too early.</summary>
    public static long MicrosecondsOf(TimeSpan duration) => (duration.Ticks / TimeSpan.TicksPerMicrosecond) + (duration.Ticks % TimeSpan.TicksPerMicrosecond > 0 ? 1 : 0);
}
