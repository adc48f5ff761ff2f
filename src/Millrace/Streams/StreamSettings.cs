using Millrace.Storage;

namespace Millrace.Streams;

/// <summary>What a stream is created with, and keeps. Immutable.</summary>
public sealed record StreamSettings
{
    /// <summary>How many partitions it has, 1 to 4,096; 1 unless set. Never changes: it decides which partition a key belongs to (law S3).</summary>
    public int Partitions { get; init; } = 1;

    /// <summary>How long each partition keeps its records; for ever unless set. May be changed later.</summary>
    public StreamRetention Retention { get; init; } = StreamRetention.Forever;

    /// <summary>Where a store that keeps files puts this stream's; null: where the store's URL says. Never changes.</summary>
    public string? Path { get; init; }
}
