using System.Runtime.CompilerServices;
using Millrace.Storage;

namespace Millrace.Streams;

public sealed partial class StreamCatalog
{
    /// <summary>The names of the groups of a stream.</summary>
    /// <exception cref="StreamNotFoundException">There is no such stream.</exception>
    public async ValueTask<IReadOnlyList<string>> ListGroupsAsync(string stream, CancellationToken cancellationToken = default)
    {
        await RequireAsync(stream, cancellationToken).ConfigureAwait(false);
        var groups = new SortedSet<string>(StringComparer.Ordinal);
        await foreach (var document in PartitionDocumentsAsync(StreamKeys.OfGroups(stream), cancellationToken).ConfigureAwait(false))
        {
            groups.Add(document.Group);
        }

        return [.. groups];
    }

    /// <summary>Where a group stands in each partition; partitions that it never claimed are left out.</summary>
    /// <exception cref="StreamNotFoundException">There is no such stream.</exception>
    public async ValueTask<IReadOnlyList<StreamGroupPosition>> GetGroupAsync(string stream, string group, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(group, "group");
        return await UseAsync<IReadOnlyList<StreamGroupPosition>>(
            stream,
            async info =>
            {
                var positions = new List<StreamGroupPosition>();
                await foreach (var document in PartitionDocumentsAsync(StreamKeys.OfPartitions(stream, group), cancellationToken).ConfigureAwait(false))
                {
                    var stats = await GetPartitionStatsAsync(info, document.Partition, cancellationToken).ConfigureAwait(false);
                    positions.Add(new StreamGroupPosition(document.Partition, document.Offset, document.Owner, document.Epoch, stats.EndOffset) { EarliestOffset = stats.EarliestOffset });
                }

                return positions;
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Moves a group in one partition, whoever owns it: the owner is fenced off, claims again, and goes on from there.</summary>
    /// <exception cref="StreamNotFoundException">There is no such stream.</exception>
    /// <exception cref="MillraceConfigurationException">The stream has no such partition.</exception>
    /// <exception cref="OffsetOutOfRangeException">The offset has been trimmed.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The offset is negative, or lies beyond the end.</exception>
    public async ValueTask SeekGroupAsync(string stream, string group, int partition, long offset, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(group, "group");
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        var stats = await UseAsync(stream, info => GetPartitionStatsAsync(info, partition, cancellationToken), cancellationToken).ConfigureAwait(false);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, stats.EndOffset);
        if (offset < stats.EarliestOffset)
        {
            throw new OffsetOutOfRangeException(stream, partition, offset, stats.EarliestOffset);
        }

        var key = StreamKeys.OfPartition(stream, group, partition);
        while (true)
        {
            var document = await _state.GetAsync(key, cancellationToken).ConfigureAwait(false);
            var epoch = document is null ? 1 : StreamDocuments.ReadPartition(document).Epoch + 1;
            var moved = new GroupPartitionDocument { Group = group, Partition = partition, Epoch = epoch, Offset = offset };
            if ((await _state.PutAsync(key, StreamDocuments.Write(moved), document?.Version ?? IStateStore.Absent, cancellationToken).ConfigureAwait(false)).Written)
            {
                await RingAsync(stream, group, cancellationToken).ConfigureAwait(false);
                return;
            }
        }
    }

    /// <summary>Forgets a group and its offsets. Members that still run begin again as a new group would.</summary>
    /// <returns>False when there was none.</returns>
    /// <exception cref="StreamNotFoundException">There is no such stream.</exception>
    public async ValueTask<bool> DeleteGroupAsync(string stream, string group, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(group, "group");
        await RequireAsync(stream, cancellationToken).ConfigureAwait(false);

        // The offsets last: what is cut short can be repeated, and still finds the group.
        await DeleteAllAsync(StreamKeys.OfMembers(stream, group), cancellationToken).ConfigureAwait(false);
        var existed = await DeleteAllAsync(StreamKeys.OfPartitions(stream, group), cancellationToken).ConfigureAwait(false);
        await _state.DeleteAsync(StreamKeys.OfBell(stream, group), null, cancellationToken).ConfigureAwait(false);
        return existed;
    }

    /// <summary>Has the members of a group look at it again.</summary>
    internal async ValueTask RingAsync(string stream, string group, CancellationToken cancellationToken) =>
        await _state.PutAsync(StreamKeys.OfBell(stream, group), "{}"u8.ToArray(), null, cancellationToken).ConfigureAwait(false);

    private async IAsyncEnumerable<GroupPartitionDocument> PartitionDocumentsAsync(
        string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? after = null;
        while (true)
        {
            var page = await _state.ListAsync(prefix, after, MaxPage, cancellationToken).ConfigureAwait(false);
            foreach (var document in page.Documents.Where(document => StreamKeys.IsPartition(document.Key)))
            {
                yield return StreamDocuments.ReadPartition(document);
            }

            if (page.Documents.Count < MaxPage)
            {
                yield break;
            }

            after = page.Documents[^1].Key;
        }
    }
}
