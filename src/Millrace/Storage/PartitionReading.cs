namespace Millrace.Storage;

/// <summary>Reading for one who stands at a place in a partition, rather than asks what is there.</summary>
internal static class PartitionReading
{
    /// <summary>
    /// Reads a page as <see cref="IStreamPartition.ReadAsync"/> does, but from within the partition only. Who stands beyond the end waits for records that were lost, or that nobody
    /// has written: once others lie below that place, they would be skipped silently.
    /// </summary>
    /// <exception cref="OffsetOutOfRangeException">The offset has been trimmed, or lies beyond the end.</exception>
    public static async ValueTask<StreamPage> ReadWithinAsync(
        this IStreamPartition log, string stream, int partition, long offset, int maxRecords, int maxBytes, CancellationToken cancellationToken)
    {
        var page = await log.ReadAsync(offset, maxRecords, maxBytes, cancellationToken).ConfigureAwait(false);
        if (offset <= page.EndOffset)
        {
            return page;
        }

        var end = page.EndOffset;
        page.Dispose();
        var stats = await log.GetStatsAsync(cancellationToken).ConfigureAwait(false);
        throw new OffsetOutOfRangeException(stream, partition, offset, stats.EarliestOffset, end);
    }

    /// <summary>Throws if one cannot begin at an offset.</summary>
    /// <exception cref="OffsetOutOfRangeException">The offset has been trimmed, or lies beyond the end.</exception>
    public static async ValueTask RequireWithinAsync(this IStreamPartition log, string stream, int partition, long offset, CancellationToken cancellationToken) =>
        (await log.ReadWithinAsync(stream, partition, offset, 1, 1, cancellationToken).ConfigureAwait(false)).Dispose();
}
