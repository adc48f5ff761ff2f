namespace Millrace.Streams;

/// <summary>The wishes of a producer's user for one record. Immutable.</summary>
public sealed record StreamAppendOptions
{
    /// <summary>The key; null, the default: the one that the producer's options find in the message, if they say how.</summary>
    public string? Key { get; init; }

    /// <summary>The partition; null, the default: the key's, or for records without a key the next in turn.</summary>
    public int? Partition { get; init; }

    /// <summary>Headers.</summary>
    public MessageHeaders Headers { get; init; } = MessageHeaders.Empty;

    /// <summary>The record's time; null, the default: when the store appends it.</summary>
    public DateTimeOffset? Timestamp { get; init; }
}

/// <summary>Where a record is.</summary>
/// <param name="Partition">Its partition.</param>
/// <param name="Offset">Its offset there; -1 if the store no longer knew, which a repeat of a very old append can bring about.</param>
public readonly record struct StreamAppendResult(int Partition, long Offset);
