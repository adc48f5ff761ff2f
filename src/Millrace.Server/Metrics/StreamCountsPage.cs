using System.Globalization;
using Millrace.Storage;
using Millrace.Streams;

namespace Millrace.Server.Metrics;

/// <summary>The counts that were read at one time: at most so many partitions, and at most so many positions of groups. Safe for concurrent use; nothing is added once it is closed.</summary>
internal sealed class StreamCountsPage(int most)
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, bool> _read = new(StringComparer.Ordinal);
    private readonly List<(string Instance, string Stream, string Partition, StreamPartitionStats Stats)> _partitions = [];
    private readonly List<(string Instance, string Stream, string Group, string Partition, long Lag)> _groups = [];
    private bool _isCut;
    private bool _isClosed;

    /// <summary>Whether something did not fit, or it is closed.</summary>
    public bool IsFull
    {
        get
        {
            lock (_gate)
            {
                return _isClosed || _isCut;
            }
        }
    }

    public void SetRead(string instance, bool isRead)
    {
        lock (_gate)
        {
            if (!_isClosed)
            {
                _read[instance] = isRead;
            }
        }
    }

    /// <returns>False when no more fits.</returns>
    public bool Add(string instance, string stream, int partition, StreamPartitionStats stats)
    {
        lock (_gate)
        {
            return Fits(_partitions.Count) && AddTo(_partitions, (instance, stream, Text(partition), stats));
        }
    }

    /// <returns>False when no more fits.</returns>
    public bool Add(string instance, string stream, string group, StreamGroupPosition position)
    {
        lock (_gate)
        {
            return Fits(_groups.Count) && AddTo(_groups, (instance, stream, group, Text(position.Partition), position.Lag));
        }
    }

    public void Close()
    {
        lock (_gate)
        {
            _isClosed = true;
        }
    }

    public void WriteTo(PrometheusWriter writer)
    {
        if (_read.Count > 0)
        {
            writer.Family("millrace_stream_counts_read", "gauge", "1 if the counts of the streams of an instance could be read, 0 if not.");
        }

        foreach (var (instance, isRead) in _read)
        {
            writer.Sample("millrace_stream_counts_read", [("instance", instance)], isRead ? 1 : 0);
        }

        writer.Single("millrace_stream_counts_cut", "gauge", "1 if there are more partitions or groups than are told here, 0 if not.", _isCut ? 1 : 0);
        Write(writer, "earliest_offset", "The first offset that can be read.", static stats => stats.EarliestOffset);
        Write(writer, "end_offset", "The offset of the next record.", static stats => stats.EndOffset);
        Write(writer, "bytes", "Bytes of keys, headers and bodies.", static stats => stats.Bytes);
        if (_groups.Count > 0)
        {
            writer.Family("millrace_stream_group_lag_records", "gauge", "Records that a consumer group has not handled.");
        }

        foreach (var (instance, stream, group, partition, lag) in _groups)
        {
            writer.Sample("millrace_stream_group_lag_records", [("instance", instance), ("stream", stream), ("group", group), ("partition", partition)], lag);
        }
    }

    private bool Fits(int count)
    {
        _isCut |= !_isClosed && count >= most;
        return !_isClosed && count < most;
    }

    private static bool AddTo<T>(List<T> list, T item)
    {
        list.Add(item);
        return true;
    }

    private void Write(PrometheusWriter writer, string name, string help, Func<StreamPartitionStats, double> value)
    {
        if (_partitions.Count == 0)
        {
            return;
        }

        var family = "millrace_stream_" + name;
        writer.Family(family, "gauge", help);
        foreach (var (instance, stream, partition, stats) in _partitions)
        {
            writer.Sample(family, [("instance", instance), ("stream", stream), ("partition", partition)], value(stats));
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
