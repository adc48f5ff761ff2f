using Millrace.Storage;

namespace Millrace.Streams;

/// <summary>Where a consumer begins in its partitions. Immutable.</summary>
public sealed record StreamStart
{
    private readonly long? _offset;
    private readonly DateTimeOffset? _timestamp;

    private StreamStart(long? offset = null, DateTimeOffset? timestamp = null) => (_offset, _timestamp) = (offset, timestamp);

    /// <summary>At the first record that is kept.</summary>
    public static StreamStart Earliest { get; } = new();

    /// <summary>At the end: only what is appended from then on.</summary>
    public static StreamStart Latest { get; } = new(long.MaxValue);

    /// <summary>At an offset, the same in every partition.</summary>
    public static StreamStart At(long offset)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfEqual(offset, long.MaxValue);
        return new StreamStart(offset);
    }

    /// <summary>At the first record whose timestamp is at or after a time.</summary>
    public static StreamStart At(DateTimeOffset timestamp) => new(timestamp: timestamp);

    internal async ValueTask<long> ResolveAsync(IStreamPartition partition, CancellationToken cancellationToken)
    {
        if (_timestamp is { } timestamp)
        {
            return await partition.FindOffsetAsync(timestamp, cancellationToken).ConfigureAwait(false);
        }

        if (_offset is { } offset and not long.MaxValue)
        {
            return offset;
        }

        var stats = await partition.GetStatsAsync(cancellationToken).ConfigureAwait(false);
        return _offset is null ? stats.EarliestOffset : stats.EndOffset;
    }
}
