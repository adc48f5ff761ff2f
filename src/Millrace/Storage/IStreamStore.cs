namespace Millrace.Storage;

/// <summary>A store of streams: partitioned append-only logs, read by offset (laws S1–S9). Safe for concurrent use.</summary>
public interface IStreamStore : IAsyncDisposable
{
    /// <summary>Opens one partition, creating it if it does not exist.</summary>
    /// <exception cref="StreamMismatchException">The stream exists with another partition count, backend or path (S3).</exception>
    ValueTask<IStreamPartition> OpenPartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default);
}

/// <summary>Which partition to open, and how.</summary>
public sealed record StreamPartitionContext
{
    /// <summary>The stream's name; see <see cref="ResourceName"/>.</summary>
    public required string Stream { get; init; }

    /// <summary>The partition, from 0.</summary>
    public required int Partition { get; init; }

    /// <summary>How many partitions the stream has. Stored when it is created; another count is refused later.</summary>
    public required int PartitionCount { get; init; }

    /// <summary>Where a store that keeps files puts them; null: where the store's URL says.</summary>
    public string? Path { get; init; }

    /// <summary>Options of the store, as in a URL's query string.</summary>
    public IReadOnlyDictionary<string, string> Options { get; init; } = new Dictionary<string, string>();
}

/// <summary>One partition of a stream. Safe for concurrent use.</summary>
public interface IStreamPartition : IAsyncDisposable
{
    /// <summary>Appends records atomically; returns when they are as durable as the store promises and visible to readers (S1).</summary>
    ValueTask<AppendResult> AppendAsync(AppendRequest request, CancellationToken cancellationToken = default);

    /// <summary>Reads records from <paramref name="offset"/> on, without waiting.</summary>
    /// <param name="offset">The first offset wanted. The end of the partition reads an empty page.</param>
    /// <param name="maxRecords">At most so many.</param>
    /// <param name="maxBytes">At most so many bytes of keys, headers and bodies; one record is returned even if it is larger.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="OffsetOutOfRangeException">The offset has been trimmed (S5).</exception>
    ValueTask<StreamPage> ReadAsync(long offset, int maxRecords, int maxBytes, CancellationToken cancellationToken = default);

    /// <summary>Returns when the partition's end is beyond <paramref name="offset"/> (S4).</summary>
    ValueTask WaitForAsync(long offset, CancellationToken cancellationToken = default);

    /// <summary>Makes everything appended so far as durable as the engine can.</summary>
    ValueTask FlushAsync(CancellationToken cancellationToken = default);

    /// <summary>Removes records before <paramref name="beforeOffset"/>; an engine may keep some of them for a while.</summary>
    ValueTask TrimAsync(long beforeOffset, CancellationToken cancellationToken = default);

    /// <summary>Where the partition begins and ends.</summary>
    ValueTask<StreamPartitionStats> GetStatsAsync(CancellationToken cancellationToken = default);
}

/// <summary>Records to append.</summary>
public sealed record AppendRequest
{
    /// <summary>The records, in order; the store copies them.</summary>
    public required ReadOnlyMemory<StreamRecord> Records { get; init; }

    /// <summary>An idempotent producer's name; null: not idempotent (S8).</summary>
    public string? ProducerId { get; init; }

    /// <summary>The producer's sequence number of the first record; each further one has the next.</summary>
    public long FirstSequence { get; init; }
}

/// <summary>Where an append landed.</summary>
/// <param name="FirstOffset">The offset of its first record.</param>
/// <param name="Duplicate">True when an idempotent producer had appended these records before: nothing was stored now.</param>
public readonly record struct AppendResult(long FirstOffset, bool Duplicate);

/// <summary>One record of a stream. When it is appended, <see cref="Offset"/> is ignored.</summary>
public readonly record struct StreamRecord
{
    /// <summary>Its offset in the partition.</summary>
    public long Offset { get; init; }

    /// <summary>The key that chose its partition; empty: none.</summary>
    public ReadOnlyMemory<byte> Key { get; init; }

    /// <summary>The body.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>Headers, or null for none.</summary>
    public MessageHeaders? Headers { get; init; }

    /// <summary>When it was appended; set by the store if it is the default.</summary>
    public DateTimeOffset Timestamp { get; init; }
}

/// <summary>Records that were read.</summary>
/// <param name="Records">The records, in order of their offsets. Valid until the next read of the same partition object.</param>
/// <param name="NextOffset">Where to read on.</param>
/// <param name="EndOffset">The end of the partition when the page was read.</param>
public sealed record StreamPage(ReadOnlyMemory<StreamRecord> Records, long NextOffset, long EndOffset);

/// <summary>Where a partition begins and ends.</summary>
/// <param name="EarliestOffset">The first offset that can be read.</param>
/// <param name="EndOffset">The offset of the next record.</param>
/// <param name="Bytes">Bytes stored.</param>
public sealed record StreamPartitionStats(long EarliestOffset, long EndOffset, long Bytes);
