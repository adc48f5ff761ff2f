namespace Millrace.App.Bench;

/// <summary>What <c>millrace bench</c> measures.</summary>
internal sealed record BenchPlan
{
    /// <summary>The smallest body: what a message says of itself.</summary>
    public const int MinSize = BenchMessage.HeadBytes;

    private const long MaxWaitingMessages = 10_000;
    private const long MaxWaitingBytes = 256 * 1024 * 1024;
    private const long MaxWarmUpMessages = 20_000;

    /// <summary>The queue; it must have no messages.</summary>
    public required string Queue { get; init; }

    /// <summary>So many messages; null: for <see cref="Duration"/>.</summary>
    public long? Messages { get; init; }

    /// <summary>How long messages are sent, when not a number of them.</summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Sends that run at the same time.</summary>
    public required int Senders { get; init; }

    /// <summary>Consumers that receive and complete at the same time.</summary>
    public required int Workers { get; init; }

    /// <summary>Messages of one send, and the most of one settlement.</summary>
    public required int Batch { get; init; }

    /// <summary>Bytes of a body.</summary>
    public required int Size { get; init; }

    /// <summary>Messages per second that are sent whether or not the store keeps up; null: as fast as it takes them.</summary>
    public double? Rate { get; init; }

    /// <summary>How long nothing may come before what is missing counts as lost: long enough for a lease that was lost to end.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(45);

    /// <summary>
    /// The most batches that are sent and not yet received: senders wait for workers there, so that neither memory nor disk fills up with what the workers do not manage.
    /// </summary>
    public int Window => (int)Math.Max(Senders, Math.Min(MaxWaitingMessages, MaxWaitingBytes / Size) / Batch);

    /// <summary>The part that comes first and is not counted: long enough for code to be compiled and connections to be opened, short beside the rest.</summary>
    public BenchLoad WarmUp => Messages is { } messages
        ? Load(Math.Max((long)Batch * Senders, Math.Min(messages / 10, MaxWarmUpMessages)), TimeSpan.FromSeconds(2))
        : Load(null, Duration < TimeSpan.FromSeconds(10) ? Duration / 10 : TimeSpan.FromSeconds(1));

    /// <summary>The part that counts. At a given rate the time decides how many messages there are, and all of them are sent, however late.</summary>
    public BenchLoad Measured => Load(Messages, Messages is null ? Duration : null);

    private BenchLoad Load(long? messages, TimeSpan? time) => (Rate, time) switch
    {
        ({ } rate, { } limit) => new BenchLoad(Math.Max(1, Math.Min(messages ?? long.MaxValue, (long)(rate * limit.TotalSeconds))), null),
        _ => new BenchLoad(messages, time),
    };
}

/// <summary>How much is sent: it ends at whichever bound comes first.</summary>
/// <param name="Messages">So many messages; null: no such bound.</param>
/// <param name="Time">For so long; null: no such bound.</param>
internal sealed record BenchLoad(long? Messages, TimeSpan? Time);
