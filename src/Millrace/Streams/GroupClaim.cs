using Millrace.Storage;

namespace Millrace.Streams;

/// <summary>A member's claim to a partition: its epoch, and the version of the document that proves it.</summary>
internal sealed class GroupClaim(int partition, long epoch, long version, long offset)
{
    public int Partition { get; } = partition;

    public long Epoch { get; } = epoch;

    /// <summary>Where the group stood when it was claimed.</summary>
    public long Start { get; } = offset;

    /// <summary>The document's version at this member's last write.</summary>
    public long Version { get; set; } = version;

    /// <summary>The offset at this member's last write. Release writes it again, so that no commit that was answered is taken back.</summary>
    public long Committed { get; set; } = offset;

    /// <summary>Whether this member has given the partition up.</summary>
    public bool IsReleased { get; set; }

    /// <summary>Since when it shall be given up, in timestamps; null when it need not be.</summary>
    public long? RevokedAt { get; set; }
}

/// <summary>What a group's member does to the consumer that it works for.</summary>
internal interface IGroupConsumer
{
    /// <summary>The partition is this member's.</summary>
    void Gain(GroupClaim claim, IStreamPartition log);

    /// <summary>The partition is no longer this member's: nothing of it is handed out any more.</summary>
    void Lose(GroupClaim claim);

    /// <summary>Whether the partition shall be given up: then nothing more of it is handed out.</summary>
    void Revoke(GroupClaim claim, bool isRevoking);

    /// <summary>Commits what may be committed of a partition that is given up.</summary>
    /// <returns>Whether the caller has nothing that is not committed.</returns>
    ValueTask<bool> SettleAsync(GroupClaim claim, CancellationToken cancellationToken);
}
