namespace Millrace.Server.Api;

/// <summary>The limits of what clients may ask. Immutable; validated when the server starts.</summary>
public sealed record ApiLimits
{
    /// <summary>The largest request body in bytes; 64 MiB unless set: a message of the largest size in base64, with room for what is around it.</summary>
    public int MaxRequestBytes { get; init; } = 64 * 1024 * 1024;

    /// <summary>The longest wait of one long poll; clients that want to wait longer ask again. 60 s unless set.</summary>
    public TimeSpan MaxWait { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The most receivers that are open at one time; 10,000 unless set.</summary>
    public int MaxReceivers { get; init; } = 10_000;

    /// <summary>How long a receiver that nobody uses stays open beyond its lease; 10 minutes unless set.</summary>
    public TimeSpan ReceiverIdleTime { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>The most subscriptions to channels at one time; 10,000 unless set.</summary>
    public int MaxSubscriptions { get; init; } = 10_000;

    /// <summary>The most messages of one lease call, and settlements or messages of one batch; 10,000 unless set.</summary>
    public int MaxBatch { get; init; } = 10_000;

    /// <summary>The longest that a client may take to send the head of a request; 15 s unless set.</summary>
    public TimeSpan HeadTime { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>The slowest that a client may send a body or take an answer, in bytes per second; 240 unless set.</summary>
    public double MinBytesPerSecond { get; init; } = 240;

    /// <summary>How long a client may stand below <see cref="MinBytesPerSecond"/> before it is cut off; 5 s unless set.</summary>
    public TimeSpan SlowTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="MillraceConfigurationException">Names the limit, its value and what is allowed.</exception>
    internal void Validate()
    {
        Require(MaxRequestBytes >= 1024, nameof(MaxRequestBytes), MaxRequestBytes, "at least 1,024");
        Require(MaxWait > TimeSpan.Zero && MaxWait <= TimeSpan.FromMinutes(10), nameof(MaxWait), MaxWait, "above 0 and at most 10 minutes");
        Require(MaxReceivers >= 1, nameof(MaxReceivers), MaxReceivers, "at least 1");
        Require(ReceiverIdleTime >= TimeSpan.FromSeconds(1) && ReceiverIdleTime <= TimeSpan.FromDays(1), nameof(ReceiverIdleTime), ReceiverIdleTime, "1 s to 1 day");
        Require(MaxSubscriptions >= 1, nameof(MaxSubscriptions), MaxSubscriptions, "at least 1");
        Require(HeadTime >= TimeSpan.FromSeconds(1) && HeadTime <= TimeSpan.FromMinutes(10), nameof(HeadTime), HeadTime, "1 s to 10 minutes");
        Require(MinBytesPerSecond is > 0 and <= 1_000_000_000, nameof(MinBytesPerSecond), MinBytesPerSecond, "above 0 and at most 1,000,000,000");
        Require(SlowTime >= TimeSpan.FromSeconds(2) && SlowTime <= TimeSpan.FromMinutes(10), nameof(SlowTime), SlowTime, "2 s to 10 minutes");
        Require(MaxBatch is >= 1 and <= 100_000, nameof(MaxBatch), MaxBatch, "1 to 100,000");
    }

    private static void Require(bool holds, string limit, object value, string allowed)
    {
        if (!holds)
        {
            throw new MillraceConfigurationException($"The limit {limit} must be {allowed}, not {value}.");
        }
    }
}
