namespace Millrace.Sqlite.Queues;

/// <summary>Which of a message's optional columns are filled, so that a plain message is read without looking at them.</summary>
[Flags]
internal enum MessageFlags
{
    None = 0,

    /// <summary>It stands in a key's line, or will when it is due.</summary>
    Key = 1,

    /// <summary>Its sender gave it an id.</summary>
    Id = 1 << 1,

    /// <summary>It expires.</summary>
    Expires = 1 << 2,

    /// <summary>Content type, headers, error, or what a dead letter has.</summary>
    Details = 1 << 3,
}

/// <summary>What the moves of a message need to know of it; everything but what its sender put into it.</summary>
internal sealed class StoredMessage
{
    public required long Number { get; init; }

    public required long Queue { get; set; }

    public required long Rank { get; set; }

    public required long EnqueuedAt { get; init; }

    public required int Attempts { get; set; }

    public required bool WasDelivered { get; set; }

    public required MessageFlags Flags { get; set; }

    public required long? Due { get; set; }

    public required long? Expires { get; set; }

    /// <summary>Its place in its key's line; null when it does not stand there.</summary>
    public required long? Position { get; set; }

    public required string? Key { get; init; }

    public required MessageId SenderId { get; init; }

    public required string? Error { get; set; }

    public required int BodyLength { get; init; }

    /// <summary>The place of a message in its queue: higher priorities first, then the sequence.</summary>
    public static long RankOf(int priority, long sequence) => ((long)(MessagePriority.Highest - priority) << 56) | sequence;

    public static int PriorityOf(long rank) => MessagePriority.Highest - (int)(rank >> 56);
}
