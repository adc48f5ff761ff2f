using Millrace.Storage;

namespace Millrace.Stomp.Sessions;

/// <summary>Records of a subscription without a group: its position is the client's own, and nothing is kept of it.</summary>
internal sealed class FollowedRecords(PartitionFollower follower) : RecordSource
{
    private const int PageBytes = 256 * 1024;

    public override async ValueTask<IReadOnlyList<SourcedRecord>> ReadAsync(int maxRecords, CancellationToken cancellationToken)
    {
        var part = await follower.ReadAsync(maxRecords, PageBytes, cancellationToken).ConfigureAwait(false);
        if (part.Missing is { } missing)
        {
            throw missing;
        }

        // The page is left to the collector: its records wait to be written.
        var records = part.Page!.Records;
        var sourced = new SourcedRecord[records.Length];
        for (var i = 0; i < sourced.Length; i++)
        {
            sourced[i] = new SourcedRecord(part.Partition, records.Span[i], 0);
        }

        return sourced;
    }

    public override ValueTask DisposeAsync()
    {
        follower.Dispose();
        return default;
    }
}
