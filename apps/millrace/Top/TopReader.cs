using System.Runtime.CompilerServices;
using Millrace.App.Commands;
using Millrace.Storage;

namespace Millrace.App.Top;

/// <summary>Reads the queues again and again, and makes rates of what their counters say. Not safe for concurrent use.</summary>
internal sealed class TopReader(IQueueAdmin admin, string prefix, TimeProvider timeProvider)
{
    /// <summary>The most queues of one reading: about a second's worth of calls to a server nearby.</summary>
    public const int MaxQueues = 5000;

    private Dictionary<string, QueueReading> _before = new(StringComparer.Ordinal);
    private bool _isCut;

    /// <summary>Reads the first queues by name, at most <paramref name="limit"/>. A reading that fails leaves the next one to compare with the last that did not.</summary>
    public async Task<TopReading> ReadAsync(int limit, CancellationToken cancellationToken)
    {
        var rows = new List<TopRow>();
        var now = new Dictionary<string, QueueReading>(StringComparer.Ordinal);
        var damaged = new List<StorageCorruptException>();
        await foreach (var reading in QueueReadings.ReadAsync(admin, ListAsync(limit, cancellationToken), timeProvider, damaged, cancellationToken))
        {
            now.Add(reading.Queue, reading);
            rows.Add(ToRow(reading));
        }

        if (rows.Count == 0 && damaged.Count > 0)
        {
            throw damaged[0];
        }

        _before = now;
        return new TopReading(timeProvider.GetUtcNow(), rows, _isCut);
    }

    private async IAsyncEnumerable<string> ListAsync(int limit, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        _isCut = false;
        await foreach (var queue in Arguments.ListQueuesAsync(admin, prefix, cancellationToken))
        {
            if (limit == 0)
            {
                _isCut = true;
                yield break;
            }

            limit--;
            yield return queue;
        }
    }

    private TopRow ToRow(QueueReading reading)
    {
        var (queue, stats, timestamp) = reading;
        if (!_before.TryGetValue(queue, out var before) || HaveBegunAnew(before.Stats, stats))
        {
            return new TopRow(queue, stats, null, null);
        }

        var seconds = timeProvider.GetElapsedTime(before.Timestamp, timestamp).TotalSeconds;
        return seconds > 0
            ? new TopRow(queue, stats, (stats.Enqueued - before.Stats.Enqueued) / seconds, (stats.Completed - before.Stats.Completed) / seconds)
            : new TopRow(queue, stats, null, null);
    }

    // Counters run from the opening of the store, unless the engine keeps them: one that is less than it was says that none can be compared.
    private static bool HaveBegunAnew(QueueStats before, QueueStats now) =>
        now.Enqueued < before.Enqueued
        || now.Completed < before.Completed
        || now.Duplicates < before.Duplicates
        || now.DeadLettered < before.DeadLettered
        || now.Expired < before.Expired;
}
