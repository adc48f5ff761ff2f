using System.Text;

namespace Millrace.Streams;

/// <summary>A record that a consumer received. Immutable.</summary>
/// <typeparam name="T">The type of its value.</typeparam>
public sealed class StreamMessage<T>
{
    internal StreamMessage(T value, int partition, long offset, ReadOnlyMemory<byte> key, MessageHeaders headers, DateTimeOffset timestamp, long epoch) =>
        (Value, Partition, Offset, KeyBytes, Headers, Timestamp, Epoch) = (value, partition, offset, key, headers, timestamp, epoch);

    /// <summary>The message.</summary>
    public T Value { get; }

    /// <summary>Its partition.</summary>
    public int Partition { get; }

    /// <summary>Its offset in the partition.</summary>
    public long Offset { get; }

    /// <summary>Its key; null when it has none.</summary>
    public string? Key => KeyBytes.IsEmpty ? null : Encoding.UTF8.GetString(KeyBytes.Span);

    /// <summary>Its key as it is stored.</summary>
    public ReadOnlyMemory<byte> KeyBytes { get; }

    /// <summary>Its headers.</summary>
    public MessageHeaders Headers { get; }

    /// <summary>When it was appended, or the time that its producer gave it.</summary>
    public DateTimeOffset Timestamp { get; }

    /// <summary>The fencing epoch under which the group's member received it: hand it to what must refuse members that have lost the partition. 0 without a group.</summary>
    public long Epoch { get; }
}

/// <summary>A place in a partition.</summary>
/// <param name="Partition">The partition.</param>
/// <param name="Offset">The offset of the next record.</param>
public readonly record struct StreamPosition(int Partition, long Offset);

/// <summary>How far a consumer is in one of its partitions.</summary>
/// <param name="Partition">The partition.</param>
/// <param name="Offset">The next record that the caller receives.</param>
/// <param name="EndOffset">The end of the partition.</param>
public readonly record struct StreamLag(int Partition, long Offset, long EndOffset)
{
    /// <summary>The partition's first record that has not been trimmed.</summary>
    public long EarliestOffset { get; init; }

    /// <summary>How many records that are there the caller has not received yet.</summary>
    public long Records => Math.Max(0, EndOffset - Math.Max(Offset, EarliestOffset));
}

/// <summary>What became of a commit. A partition that was lost to another member is an expected outcome: its records are that member's now, and come again there.</summary>
/// <param name="Committed">What is committed now; partitions with nothing new are left out.</param>
/// <param name="Lost">The partitions whose commit was refused because this consumer no longer owns them.</param>
public sealed record StreamCommitResult(IReadOnlyList<StreamPosition> Committed, IReadOnlyList<int> Lost)
{
    /// <summary>Whether nothing was refused.</summary>
    public bool IsComplete => Lost.Count == 0;
}
