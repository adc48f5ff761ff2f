using Millrace.Storage;
using Millrace.Streams;

namespace Millrace.App.Migration;

/// <summary>
/// Copies streams: their records in order, with keys, headers and timestamps, and where their groups stand. The source keeps them. A repeat goes on where the target ends.
/// </summary>
internal sealed class StreamMove(StreamCatalog from, StreamCatalog? to, DocumentMove documents, MigrationReport report, bool renumber)
{
    /// <summary>The idempotent producer of every copy; its sequences are the offsets of the source.</summary>
    private const string Producer = "millrace-migrate";

    private const int PageRecords = 1000;
    private const int PageBytes = 4 * 1024 * 1024;

    public async ValueTask RunAsync(StreamInfo info, CancellationToken cancellationToken)
    {
        var counts = new MoveCounts();
        var exists = to is null ? null : await to.GetAsync(info.Name, cancellationToken);
        if (to is null)
        {
            report.Warn($"stream '{info.Name}' stays, because the target has no streams.");
        }
        else if (exists is not null && exists.Settings.Partitions != info.Settings.Partitions)
        {
            report.Warn($"stream '{info.Name}' stays: it has {info.Settings.Partitions} partitions, and {exists.Settings.Partitions} in the target.");
        }
        else if (await PlanAsync(to, info, exists, cancellationToken) is { } parts)
        {
            await CreateAsync(to, info, exists, cancellationToken);
            foreach (var part in parts)
            {
                await CopyAsync(await to.OpenPartitionAsync(info.Name, part.Number, cancellationToken), info.Name, part, counts, cancellationToken);
            }

            await CopyGroupsAsync(info.Name, parts, cancellationToken);
            report.Add("stream", info.Name, counts);
            return;
        }

        counts.Left = await CountAsync(info, cancellationToken);
        report.Add("stream", info.Name, counts);
    }

    private async ValueTask CreateAsync(StreamCatalog to, StreamInfo info, StreamInfo? exists, CancellationToken cancellationToken)
    {
        if (exists is null)
        {
            // Two stores must not have one folder.
            await to.CreateAsync(info.Name, info.Settings with { Path = null }, cancellationToken);
        }
        else if (exists.Settings.Retention != info.Settings.Retention)
        {
            report.Warn($"stream '{info.Name}' exists in the target with another retention, which is kept.");
        }

        if (info.Settings.Path is not null)
        {
            report.Warn($"stream '{info.Name}' has a path of its own in the source, which the target does not take over.");
        }
    }

    /// <summary>Where each partition goes on; null, with the reason reported, when the stream cannot be copied.</summary>
    private async ValueTask<List<Part>?> PlanAsync(StreamCatalog to, StreamInfo info, StreamInfo? exists, CancellationToken cancellationToken)
    {
        var parts = new List<Part>();
        for (var number = 0; number < info.Settings.Partitions; number++)
        {
            var source = await from.OpenPartitionAsync(info.Name, number, cancellationToken);
            var stats = await source.GetStatsAsync(cancellationToken);
            var target = exists is null ? null : await to.OpenPartitionAsync(info.Name, number, cancellationToken);
            var there = target is null ? new StreamPartitionStats(0, 0, 0) : await target.GetStatsAsync(cancellationToken);
            var shift = there.EndOffset == 0
                ? stats.EarliestOffset == 0 || renumber ? stats.EarliestOffset : null
                : await FindShiftAsync(source, stats, target!, there, cancellationToken);
            if (shift is null)
            {
                report.Warn(there.EndOffset == 0
                    ? $"stream '{info.Name}' stays, because partition {number} begins at offset {stats.EarliestOffset}: what was before has been trimmed, and in the target offsets begin at 0. "
                        + "With --renumber it is copied under new offsets, and without its groups."
                    : $"stream '{info.Name}' stays, because partition {number} has other records in the target.");
                return null;
            }

            parts.Add(new Part(number, source, stats, there.EndOffset, shift.Value));
        }

        return parts;
    }

    /// <summary>By how much the offsets of the source are higher than those of the records that the target has from it; null when those are not from it.</summary>
    private async ValueTask<long?> FindShiftAsync(
        IStreamPartition source, StreamPartitionStats stats, IStreamPartition target, StreamPartitionStats there, CancellationToken cancellationToken)
    {
        if (there.EarliestOffset == there.EndOffset)
        {
            // Retention has emptied it: there is nothing to compare.
            return there.EndOffset >= stats.EarliestOffset && there.EndOffset <= stats.EndOffset ? 0 : null;
        }

        foreach (var shift in (long[])(renumber ? [0, stats.EarliestOffset] : [0]))
        {
            var place = Math.Min(there.EndOffset, stats.EndOffset - shift) - 1;
            if (place < there.EarliestOffset || place + shift < stats.EarliestOffset)
            {
                continue;
            }

            using var left = await source.ReadAsync(place + shift, 1, PageBytes, cancellationToken);
            using var right = await target.ReadAsync(place, 1, PageBytes, cancellationToken);
            if (IsSame(left.Records.Span[0], right.Records.Span[0]))
            {
                return shift;
            }
        }

        return null;
    }

    private static async ValueTask CopyAsync(IStreamPartition target, string stream, Part part, MoveCounts counts, CancellationToken cancellationToken)
    {
        var (first, end) = (part.Stats.EarliestOffset, part.Stats.EndOffset);
        var offset = Math.Clamp(part.TargetEnd + part.Shift, first, end);
        counts.Skipped += offset - first;
        while (offset < end)
        {
            using var page = await part.Source.ReadAsync(offset, PageRecords, PageBytes, cancellationToken);
            var request = new AppendRequest(page.Records) { ProducerId = Producer, FirstSequence = offset };
            var result = await target.AppendAsync(request, cancellationToken);
            if (result.FirstOffset != offset - part.Shift)
            {
                throw new MigrationException(
                    $"Partition {part.Number} of stream '{stream}' has got other records in the target while it was copied. Stop whoever appends, delete the stream there, and repeat the command.");
            }

            counts.Moved += page.NextOffset - offset;
            offset = page.NextOffset;
        }

        await target.FlushAsync(cancellationToken);
    }

    private async ValueTask CopyGroupsAsync(string stream, List<Part> parts, CancellationToken cancellationToken)
    {
        if (parts.Exists(part => part.Shift != 0))
        {
            if ((await from.ListGroupsAsync(stream, cancellationToken)).Count > 0)
            {
                report.Warn($"the groups of stream '{stream}' are not copied, because its offsets are others in the target.");
            }

            return;
        }

        // Members and their beats are those of processes that have stopped.
        var counts = new MoveCounts();
        await documents.CopyAsync(StreamKeys.OfGroups(stream), StreamKeys.IsPartition, counts, cancellationToken);
        if (counts.Left > 0)
        {
            report.Warn($"groups of stream '{stream}' stand elsewhere in the target in {counts.Left:N0} partitions, and stay there.");
        }
    }

    private async ValueTask<long> CountAsync(StreamInfo info, CancellationToken cancellationToken)
    {
        var count = 0L;
        for (var number = 0; number < info.Settings.Partitions; number++)
        {
            var stats = await (await from.OpenPartitionAsync(info.Name, number, cancellationToken)).GetStatsAsync(cancellationToken);
            count += stats.EndOffset - stats.EarliestOffset;
        }

        return count;
    }

    private static bool IsSame(in StreamRecord left, in StreamRecord right) =>
        left.Timestamp == right.Timestamp
        && left.Key.Span.SequenceEqual(right.Key.Span)
        && left.Body.Span.SequenceEqual(right.Body.Span)
        && (left.Headers ?? MessageHeaders.Empty).AsSpan().SequenceEqual((right.Headers ?? MessageHeaders.Empty).AsSpan());

    /// <summary>One partition.</summary>
    private sealed record Part(int Number, IStreamPartition Source, StreamPartitionStats Stats, long TargetEnd, long Shift);
}
