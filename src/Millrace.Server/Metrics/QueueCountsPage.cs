using Millrace.Storage;

namespace Millrace.Server.Metrics;

/// <summary>The counts that were read at one time. Immutable.</summary>
internal sealed class QueueCountsPage
{
    private readonly IReadOnlyList<InstanceCounts> _instances;
    private readonly List<(string Instance, string Queue, QueueStats Stats)> _queues;
    private readonly bool _isCut;

    /// <summary>Keeps the first <paramref name="maxQueues"/> queues.</summary>
    public QueueCountsPage(IReadOnlyList<InstanceCounts> instances, int maxQueues)
    {
        _instances = instances;
        var all = instances.SelectMany(instance => instance.Queues ?? [], (instance, queue) => (instance.Instance, queue.Queue, queue.Stats)).ToList();
        _queues = all[..Math.Min(all.Count, maxQueues)];
        _isCut = all.Count > maxQueues || instances.Any(instance => instance.IsCut);
    }

    public void WriteTo(PrometheusWriter writer)
    {
        if (_instances.Count > 0)
        {
            writer.Family("millrace_queue_counts_read", "gauge", "1 if the counts of the queues of an instance could be read, 0 if not.");
        }

        foreach (var instance in _instances)
        {
            writer.Sample("millrace_queue_counts_read", [("instance", instance.Instance)], instance.Queues is null ? 0 : 1);
        }

        writer.Single("millrace_queue_counts_cut", "gauge", "1 if there are more queues than are told here, 0 if not.", _isCut ? 1 : 0);
        Write(writer, "ready_messages", "gauge", "Messages that wait to be leased.", static stats => stats.Ready);
        Write(writer, "scheduled_messages", "gauge", "Messages that are not due yet, delayed retries included.", static stats => stats.Scheduled);
        Write(writer, "leased_messages", "gauge", "Messages with a receiver.", static stats => stats.Leased);
        Write(writer, "dead_messages", "gauge", "Dead letters.", static stats => stats.Dead);
        Write(writer, "bytes", "gauge", "Bytes of bodies, dead letters apart.", static stats => stats.Bytes);
        Write(writer, "oldest_ready_age_seconds", "gauge", "How long the longest-waiting ready message has waited; 0 when none waits.", static stats => stats.OldestReadyAge?.TotalSeconds ?? 0);
        Write(writer, "enqueued_total", "counter", "Messages stored.", static stats => stats.Enqueued);
        Write(writer, "completed_total", "counter", "Messages completed.", static stats => stats.Completed);
        Write(writer, "duplicates_total", "counter", "Repeats of ids that were not stored.", static stats => stats.Duplicates);
        Write(writer, "expired_total", "counter", "Messages that expired.", static stats => stats.Expired);
        Write(writer, "dropped_total", "counter", "Messages dropped because the queue was full.", static stats => stats.Dropped);
        Write(writer, "dead_lettered_total", "counter", "Messages dead-lettered.", static stats => stats.DeadLettered);
        Write(writer, "dedup_evictions_total", "counter", "Ids forgotten before their time because the window was full.", static stats => stats.DedupEvictions);
    }

    private void Write(PrometheusWriter writer, string name, string type, string help, Func<QueueStats, double> value)
    {
        if (_queues.Count == 0)
        {
            return;
        }

        var family = "millrace_queue_" + name;
        writer.Family(family, type, help);
        foreach (var (instance, queue, stats) in _queues)
        {
            writer.Sample(family, [("instance", instance), ("queue", queue)], value(stats));
        }
    }
}
