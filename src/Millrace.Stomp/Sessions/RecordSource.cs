using Millrace.Storage;

namespace Millrace.Stomp.Sessions;

/// <summary>Where the records of a subscription to a stream come from. Reading is done by one at a time; acknowledging is safe beside it.</summary>
internal abstract class RecordSource : IAsyncDisposable
{
    /// <summary>The next records of any partition, waiting until there are some.</summary>
    /// <exception cref="OffsetOutOfRangeException">They have been trimmed.</exception>
    public abstract ValueTask<IReadOnlyList<SourcedRecord>> ReadAsync(int maxRecords, CancellationToken cancellationToken);

    /// <summary>The client has handled a record.</summary>
    public virtual void Acknowledge(LeaseToken place)
    {
    }

    /// <summary>Keeps what was acknowledged.</summary>
    public virtual ValueTask CommitAsync() => default;

    public abstract ValueTask DisposeAsync();
}

/// <summary>A record with its place.</summary>
internal readonly record struct SourcedRecord(int Partition, StreamRecord Record, long Epoch)
{
    private const int PartitionBits = 12;

    /// <summary>The place as a token, which is none of a lease: the epoch and the partition, and the offset.</summary>
    public LeaseToken Place => new(((ulong)Epoch << PartitionBits) | (uint)Partition, (ulong)Record.Offset);

    /// <summary>The partition of a place.</summary>
    public static int PartitionOf(LeaseToken place) => (int)(place.High & ((1 << PartitionBits) - 1));
}
