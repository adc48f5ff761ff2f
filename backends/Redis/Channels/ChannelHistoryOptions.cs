using Millrace.Storage;

namespace Millrace.Redis.Channels;

/// <summary>How many of the latest messages of all topics together are kept for subscribers that resume: as long as all bounds allow. Immutable.</summary>
/// <param name="MaxCount">How many.</param>
/// <param name="TimeToLive">For how long.</param>
/// <param name="MaxBytes">How many bytes of bodies.</param>
internal sealed record ChannelHistoryOptions(int MaxCount, TimeSpan TimeToLive, long MaxBytes)
{
    public static ChannelHistoryOptions Default { get; } = new(1000, TimeSpan.FromMinutes(1), 64 * 1024 * 1024);

    /// <summary>Reads the options <c>history</c> (1,000 unless set), <c>historyTtlMs</c> (60,000) and <c>historyBytes</c> (64 MiB), as the backend <c>memory:</c> has them.</summary>
    public static ChannelHistoryOptions Read(BackendOptionReader options) =>
        new(
            (int)options.Number("history", Default.MaxCount, 0, 1_000_000),
            options.Milliseconds("historyTtlMs", Default.TimeToLive, TimeSpan.Zero, TimeSpan.FromDays(365)),
            options.Number("historyBytes", Default.MaxBytes, 0, 1L << 40));
}
