namespace Millrace.Streams;

/// <summary>A stream as the catalog has it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Settings">What it was created with.</param>
/// <param name="CreatedAt">When it was created.</param>
public sealed record StreamInfo(string Name, StreamSettings Settings, DateTimeOffset CreatedAt);

/// <summary>Where one consumer group stands in one partition.</summary>
/// <param name="Partition">The partition.</param>
/// <param name="Offset">The committed offset: the next record that the group has not handled.</param>
/// <param name="Owner">The member that owns the partition; null when none does.</param>
/// <param name="Epoch">The fencing epoch: rises with every claim and every seek.</param>
/// <param name="EndOffset">The end of the partition; the group's lag is the distance to it.</param>
public sealed record StreamGroupPosition(int Partition, long Offset, string? Owner, long Epoch, long EndOffset)
{
    /// <summary>How many records the group has not handled yet.</summary>
    public long Lag => Math.Max(0, EndOffset - Offset);
}
