using Millrace.Redis.Client.Protocol;

namespace Millrace.Redis.Client.Connections;

/// <summary>Bounds of a connection. Immutable.</summary>
internal sealed record ConnectionSettings
{
    private static readonly TimeSpan ShortestPeriod = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongestPeriod = TimeSpan.FromMilliseconds(500);

    public required TimeProvider TimeProvider { get; init; }

    /// <summary>How long a command may wait for its reply.</summary>
    public required TimeSpan ReplyTimeout { get; init; }

    public RespLimits Limits { get; init; } = RespLimits.Default;

    /// <summary>The most commands that wait for replies; further ones wait for room.</summary>
    public int MaxInFlight { get; init; } = 32 * 1024;

    /// <summary>The most bytes that gather while others are sent; a single command may be larger.</summary>
    public int MaxGatheredBytes { get; init; } = 8 * 1024 * 1024;

    public int ReceiveBufferBytes { get; init; } = 64 * 1024;

    /// <summary>How often it is looked for commands that have waited too long: an eighth of the timeout late is early enough.</summary>
    public TimeSpan WatchPeriod => TimeSpan.FromTicks(Math.Clamp(ReplyTimeout.Ticks / 8, ShortestPeriod.Ticks, LongestPeriod.Ticks));
}
