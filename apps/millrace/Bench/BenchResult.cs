using Millrace.Storage;

namespace Millrace.App.Bench;

/// <summary>What a measurement found.</summary>
internal sealed record BenchResult
{
    public required BenchPlan Plan { get; init; }

    public required QueueCapabilities Capabilities { get; init; }

    /// <summary>Messages that were sent before, and are in no rate and no latency.</summary>
    public long WarmUpMessages { get; init; }

    /// <summary>Measured messages whose sending was acknowledged.</summary>
    public long Sent { get; init; }

    /// <summary>From the beginning to the last acknowledgement.</summary>
    public TimeSpan SendTime { get; init; }

    /// <summary>Measured messages that were sent, received and completed.</summary>
    public long Cycled { get; init; }

    /// <summary>From the beginning until the last one was completed.</summary>
    public TimeSpan CycleTime { get; init; }

    public TimeSpan P50 { get; init; }

    public TimeSpan P99 { get; init; }

    public TimeSpan P999 { get; init; }

    public TimeSpan Max { get; init; }

    /// <summary>Calls that failed for a while, warm-up included, as are the next ones.</summary>
    public long Errors { get; init; }

    /// <summary>Messages of which nobody knows whether they were stored.</summary>
    public long Uncertain { get; init; }

    /// <summary>Messages that the store has acknowledged.</summary>
    public long Acknowledged { get; init; }

    /// <summary>Deliveries of messages that had come before.</summary>
    public long Duplicates { get; init; }

    /// <summary>Acknowledged messages that did not come.</summary>
    public long Lost { get; init; }

    public bool IsExactlyOnce => Lost == 0 && Duplicates == 0;

    public double SentPerSecond => PerSecond(Sent, SendTime);

    public double CycledPerSecond => PerSecond(Cycled, CycleTime);

    /// <summary>Bytes of bodies that went through per second.</summary>
    public double BytesPerSecond => CycledPerSecond * Plan.Size;

    private static double PerSecond(long count, TimeSpan time) => time > TimeSpan.Zero ? count / time.TotalSeconds : 0;
}
