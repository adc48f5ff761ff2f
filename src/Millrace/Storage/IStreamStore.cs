namespace Millrace.Storage;

/// <summary>
/// A store of streams: partitioned append-only logs, read by offset. The laws S1–S9 in the design page are its contract; <c>Millrace.Testing</c> has them as a suite.
/// What a stream is beyond its partitions (how many it has, how long it keeps records, who reads it) is kept in core, in an <see cref="IStateStore"/>.
/// </summary>
/// <remarks>
/// <para>All members are safe for concurrent use. A store copies what it keeps, and never reads a caller's buffer after its call has returned.</para>
/// <para>Cancellation is honoured only until the store has accepted an operation; after that the true result is returned.</para>
/// <para>Members throw <see cref="MillraceException"/> for faults, <see cref="ObjectDisposedException"/> after disposal.</para>
/// </remarks>
public interface IStreamStore : IAsyncDisposable
{
    /// <summary>What this store can do.</summary>
    StreamCapabilities Capabilities { get; }

    /// <summary>Opens one partition, creating it if it does not exist. Opening it again gives another object over the same records.</summary>
    /// <exception cref="StreamMismatchException">The partition is open, or was created, with another partition count or path (S3).</exception>
    /// <exception cref="InvalidNameException">The stream's name is not valid.</exception>
    ValueTask<IStreamPartition> OpenPartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default);

    /// <summary>Removes a partition with its records. Objects that are open on it fail from then on.</summary>
    /// <param name="context">Which one; its partition count is not compared.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>False when there was none.</returns>
    ValueTask<bool> DeletePartitionAsync(StreamPartitionContext context, CancellationToken cancellationToken = default);
}

/// <summary>What one stream store can do. Immutable; the same for the store's whole life.</summary>
public sealed record StreamCapabilities
{
    /// <summary>The largest record that a store takes unless it says otherwise: 16 MiB.</summary>
    public const int DefaultMaxRecordBytes = 16 * 1024 * 1024;

    /// <summary>The largest append that a store takes unless it says otherwise: 64 MiB.</summary>
    public const int DefaultMaxAppendBytes = 64 * 1024 * 1024;

    /// <summary>The backend's name, such as <c>file</c>.</summary>
    public required string Backend { get; init; }

    /// <summary>What an acknowledged append survives.</summary>
    public required StoreDurability Durability { get; init; }

    /// <summary>Whether other processes can work on the same partitions at the same time.</summary>
    public bool SharedAcrossProcesses { get; init; }

    /// <summary>The most bytes of key, headers and body of one record.</summary>
    public int MaxRecordBytes { get; init; } = DefaultMaxRecordBytes;

    /// <summary>The most bytes of keys, headers and bodies of one append.</summary>
    public int MaxAppendBytes { get; init; } = DefaultMaxAppendBytes;
}

/// <summary>Which partition to open, and how.</summary>
public sealed record StreamPartitionContext
{
    /// <summary>The stream's name; see <see cref="ResourceName"/>.</summary>
    public required string Stream { get; init; }

    /// <summary>The partition, from 0.</summary>
    public required int Partition { get; init; }

    /// <summary>How many partitions the stream has. A store remembers it with the partition; another count is refused later.</summary>
    public required int PartitionCount { get; init; }

    /// <summary>How long the partition keeps records; for ever unless set.</summary>
    public StreamRetention Retention { get; init; } = StreamRetention.Forever;

    /// <summary>Where a store that keeps files puts them; null: where the store's URL says. Stores without files refuse a path.</summary>
    public string? Path { get; init; }

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="InvalidNameException">The stream's name is not valid.</exception>
    /// <exception cref="MillraceConfigurationException">Names the value and what is allowed.</exception>
    public void Validate()
    {
        ResourceName.Require(Stream, "stream");
        if (PartitionCount is < 1 or > MaxPartitions)
        {
            throw new MillraceConfigurationException($"A stream has 1 to {MaxPartitions:N0} partitions, not {PartitionCount:N0} (stream '{Stream}').");
        }

        if (Partition < 0 || Partition >= PartitionCount)
        {
            throw new MillraceConfigurationException(
                $"Stream '{Stream}' has no partition {Partition}: it has {PartitionCount:N0}, numbered from 0 to {PartitionCount - 1:N0}.");
        }

        Retention.Validate();
    }

    /// <summary>The most partitions of a stream: 4,096.</summary>
    public const int MaxPartitions = 4096;
}

/// <summary>
/// How long a partition keeps its records (law S5). What any of the bounds no longer keeps is removed from the front, at the latest when the next record is
/// appended or a minute has passed; an engine may keep it longer, until a whole segment of it can go. Immutable.
/// </summary>
public sealed record StreamRetention
{
    /// <summary>Keeps everything.</summary>
    public static StreamRetention Forever { get; } = new();

    /// <summary>Records older than this by their timestamps are removed; null: at any age.</summary>
    public TimeSpan? MaxAge { get; init; }

    /// <summary>The most bytes of keys, headers and bodies of one partition; null: any number.</summary>
    public long? MaxBytes { get; init; }

    /// <summary>The most records of one partition; null: any number.</summary>
    public long? MaxRecords { get; init; }

    /// <summary>Throws if a bound is not positive.</summary>
    /// <exception cref="MillraceConfigurationException">Names the bound and its value.</exception>
    public void Validate()
    {
        Require(MaxAge is null || MaxAge > TimeSpan.Zero, nameof(MaxAge), MaxAge);
        Require(MaxBytes is null or > 0, nameof(MaxBytes), MaxBytes);
        Require(MaxRecords is null or > 0, nameof(MaxRecords), MaxRecords);
    }

    private static void Require(bool holds, string bound, object? value)
    {
        if (!holds)
        {
            throw new MillraceConfigurationException($"The retention bound {bound} must be positive, not {value}; leave it out to keep everything.");
        }
    }
}

/// <summary>One partition of a stream. Safe for concurrent use.</summary>
public interface IStreamPartition : IAsyncDisposable
{
    /// <summary>Appends records atomically; returns when they are as durable as the store promises and visible to readers (S1).</summary>
    /// <exception cref="InvalidMessageException">A record or the whole append is over a limit, or the producer's sequence is not one that can follow; nothing was stored.</exception>
    ValueTask<AppendResult> AppendAsync(AppendRequest request, CancellationToken cancellationToken = default);

    /// <summary>Reads records from <paramref name="offset"/> on, without waiting.</summary>
    /// <param name="offset">The first offset wanted, at least 0. At or beyond the end of the partition the page is empty.</param>
    /// <param name="maxRecords">At most so many; at least 1.</param>
    /// <param name="maxBytes">At most so many bytes of keys, headers and bodies; one record is returned even if it is larger.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="OffsetOutOfRangeException">The offset has been trimmed (S5).</exception>
    ValueTask<StreamPage> ReadAsync(long offset, int maxRecords, int maxBytes, CancellationToken cancellationToken = default);

    /// <summary>Returns when the partition's end is beyond <paramref name="offset"/> (S4).</summary>
    ValueTask WaitForAsync(long offset, CancellationToken cancellationToken = default);

    /// <summary>The offset of the first record whose timestamp is at or after <paramref name="timestamp"/>; the end of the partition when there is none (S5).</summary>
    ValueTask<long> FindOffsetAsync(DateTimeOffset timestamp, CancellationToken cancellationToken = default);

    /// <summary>Makes everything appended so far as durable as the engine can.</summary>
    ValueTask FlushAsync(CancellationToken cancellationToken = default);

    /// <summary>Removes the records before <paramref name="beforeOffset"/>: they can no longer be read, though an engine may free their space later. An offset at or below the start does nothing.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The offset lies beyond the end.</exception>
    ValueTask TrimAsync(long beforeOffset, CancellationToken cancellationToken = default);

    /// <summary>Where the partition begins and ends.</summary>
    ValueTask<StreamPartitionStats> GetStatsAsync(CancellationToken cancellationToken = default);
}

/// <summary>Records to append. A plain value.</summary>
public readonly record struct AppendRequest
{
    /// <summary>Records without an idempotent producer.</summary>
    public AppendRequest(ReadOnlyMemory<StreamRecord> records) => Records = records;

    /// <summary>The records, in order; the store copies them. An empty append stores nothing and returns the end.</summary>
    public ReadOnlyMemory<StreamRecord> Records { get; init; }

    /// <summary>An idempotent producer's name, 1–200 bytes of UTF-8; null: not idempotent (S8).</summary>
    public string? ProducerId { get; init; }

    /// <summary>
    /// The producer's sequence number of the first record; each further one has the next. Sequences of one producer rise within a partition; gaps are allowed. An append that
    /// repeats sequences that are stored is a duplicate; one that repeats some and adds others is refused.
    /// </summary>
    public long FirstSequence { get; init; }
}

/// <summary>Where an append landed.</summary>
/// <param name="FirstOffset">The offset of its first record; -1 for a repeat of an append so old that the store no longer knows where it is.</param>
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

    /// <summary>When it was appended; set by the store if it is the default. Kept as an instant of UTC, to the 100 ns.</summary>
    public DateTimeOffset Timestamp { get; init; }
}

/// <summary>Where a partition begins and ends.</summary>
/// <param name="EarliestOffset">The first offset that can be read.</param>
/// <param name="EndOffset">The offset of the next record.</param>
/// <param name="Bytes">Bytes of keys, headers and bodies that can be read; an engine may count its own overhead too.</param>
public sealed record StreamPartitionStats(long EarliestOffset, long EndOffset, long Bytes);
