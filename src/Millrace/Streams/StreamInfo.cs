using Millrace.Storage;

namespace Millrace.Streams;

/// <summary>A stream as the catalog has it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Settings">What it was created with.</param>
/// <param name="CreatedAt">When it was created.</param>
public sealed record StreamInfo(string Name, StreamSettings Settings, DateTimeOffset CreatedAt);

/// <summary>What a stream holds.</summary>
/// <param name="Stream">Its name.</param>
/// <param name="Partitions">Where each partition begins and ends, and its bytes, in their order.</param>
public sealed record StreamStats(string Stream, IReadOnlyList<StreamPartitionStats> Partitions)
{
    /// <summary>How many records can be read.</summary>
    public long Records => Partitions.Sum(partition => partition.EndOffset - partition.EarliestOffset);

    /// <summary>How many bytes they are, as <see cref="StreamPartitionStats.Bytes"/> counts.</summary>
    public long Bytes => Partitions.Sum(partition => partition.Bytes);
}

/// <summary>Where one consumer group stands in one partition.</summary>
/// <param name="Partition">The partition.</param>
/// <param name="Offset">The committed offset: the next record that the group has not handled.</param>
/// <param name="Owner">The member that owns the partition; null when none does.</param>
/// <param name="Epoch">The fencing epoch: rises with every claim and every seek.</param>
/// <param name="EndOffset">The end of the partition.</param>
public sealed record StreamGroupPosition(int Partition, long Offset, string? Owner, long Epoch, long EndOffset)
{
    /// <summary>The partition's first record that has not been trimmed.</summary>
    public long EarliestOffset { get; init; }

    /// <summary>How many records that are there the group has not handled yet.</summary>
    public long Lag => Math.Max(0, EndOffset - Math.Max(Offset, EarliestOffset));
}
