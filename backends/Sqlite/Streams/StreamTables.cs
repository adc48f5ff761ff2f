using Millrace.Sqlite.Engine;
using Millrace.Storage;

namespace Millrace.Sqlite.Streams;

/// <summary>Everything that can be done to streams inside one transaction of one connection.</summary>
internal sealed class StreamTables(Connection connection, string t)
{
    // Freeing several rows for each that is added empties any backlog, without one commit that pays for all of it.
    private const int FreedPerAppend = 8;

    private readonly RecordTable _records = new(connection, t);
    private readonly ProducerTable _producers = new(connection, t);

    public PartitionTable Partitions { get; } = new(connection, t);

    /// <summary>Adds an append's rows at the end of a partition.</summary>
    /// <returns>The result and the partition's end; null when there is no such partition.</returns>
    /// <exception cref="InvalidMessageException">It repeats some sequences of its producer and adds others; nothing was changed.</exception>
    public (AppendResult Result, long End)? Append(long id, in AppendRequest request, List<EncodedRow> rows, long wall)
    {
        if (Partitions.Get(id) is not { } partition)
        {
            return null;
        }

        if (rows.Count == 0)
        {
            return (new AppendResult(partition.Next, false), partition.Next);
        }

        if (request.ProducerId is not null)
        {
            var latest = _producers.Find(id, request.ProducerId);
            if (latest is not null && ProducerTable.FindRepeat(latest, in request) is { } repeat)
            {
                return (repeat, partition.Next);
            }

            partition = NoteProducer(partition, in request, latest);
        }

        var first = partition.Next;
        foreach (var row in rows)
        {
            var newest = Math.Max(partition.Newest, row.Newest);
            _records.Add(id, partition.Next, in row, newest);
            partition = partition with { Next = partition.Next + row.Count, Bytes = partition.Bytes + row.Size, Newest = newest };
        }

        if (partition.Retention != StreamRetention.Forever)
        {
            partition = Retain(partition, wall, FreedPerAppend + rows.Count, out _);
        }

        Partitions.Update(partition);
        return (new AppendResult(first, false), partition.Next);
    }

    /// <summary>Moves a partition's start, and frees some of what lies before it.</summary>
    /// <returns>The partition as it was, and whether all is freed; null when there is no such partition.</returns>
    public (PartitionRow Before, bool IsDone)? Trim(long id, long beforeOffset, long wall, int limit)
    {
        if (Partitions.Get(id) is not { } partition)
        {
            return null;
        }

        if (beforeOffset > partition.Next)
        {
            return (partition, true);
        }

        var trimmed = Retain(partition with { Earliest = Math.Max(partition.Earliest, beforeOffset) }, wall, limit, out var isDone);
        if (trimmed != partition)
        {
            Partitions.Update(trimmed);
        }

        return (partition, isDone);
    }

    /// <summary>Removes some rows of a partition that is hidden, and it with the last.</summary>
    /// <returns>True when nothing of it is left.</returns>
    public bool Remove(long id, int limit)
    {
        for (var i = 0; i < limit; i++)
        {
            if (_records.FirstHead(id) is not { } row)
            {
                _producers.DeleteAll(id);
                Partitions.Remove(id);
                return true;
            }

            _records.Delete(id, row.First);
        }

        return false;
    }

    /// <summary>The rows that hold the records from an offset on.</summary>
    /// <returns>The partition and the rows; null when there is no such partition.</returns>
    public (PartitionRow Partition, List<StoredRow> Rows)? Read(long id, long offset, int maxRecords, int maxBytes) =>
        Partitions.Get(id) is { } partition
            ? (partition, offset >= partition.Earliest && offset < partition.Next ? _records.From(id, offset, maxRecords, maxBytes) : [])
            : null;

    /// <summary>The first offset whose timestamp is at or after an instant; null when there is no such partition.</summary>
    /// <remarks>
    /// Senders may set timestamps, so they need not rise; but the highest of each row and all before it never falls, and where it first reaches the instant, a record does.
    /// Only when that record has been trimmed is there something to look through.
    /// </remarks>
    public long? Find(long id, long wall)
    {
        if (Partitions.Get(id) is not { } partition)
        {
            return null;
        }

        var (low, high) = (partition.Earliest, partition.Next);
        while (low < high)
        {
            var middle = low + ((high - low) / 2);
            if (_records.At(id, middle) is not { } row)
            {
                break;
            }

            (low, high) = row.Reached >= wall ? (low, Math.Max(low, row.First)) : (row.Next, high);
        }

        while (low < partition.Next && _records.NewerFrom(id, _records.At(id, low)?.First ?? low, wall) is { } found)
        {
            RecordCodec.Check(in found, connection.File);
            if (RecordCodec.Find(in found, partition.Earliest, wall) is { } offset)
            {
                return offset;
            }

            low = found.First + found.Count;
        }

        return partition.Next;
    }

    private PartitionRow NoteProducer(PartitionRow partition, in AppendRequest request, byte[]? latest)
    {
        _producers.Note(partition.Id, in request, latest, partition.Next);
        if (latest is not null)
        {
            return partition;
        }

        if (partition.Producers < ProducerTable.MaxProducers)
        {
            return partition with { Producers = partition.Producers + 1 };
        }

        _producers.ForgetOldest(partition.Id);
        return partition;
    }

    /// <summary>
    /// Frees rows at the front: those wholly before the start, and those that the bounds no longer keep. By count the start moves to the record; by bytes and age it moves
    /// from row to row.
    /// </summary>
    private PartitionRow Retain(PartitionRow partition, long wall, int limit, out bool isDone)
    {
        var retention = partition.Retention;
        var earliest = Math.Max(partition.Earliest, partition.Next - (retention.MaxRecords ?? partition.Next));
        var oldest = retention.MaxAge is { } age ? wall - age.Ticks : long.MinValue;
        var bytes = partition.Bytes;
        isDone = false;
        for (var i = 0; i < limit; i++)
        {
            if (_records.FirstHead(partition.Id) is not { } row
                || !(row.First + row.Count <= earliest || bytes - row.Bytes >= retention.MaxBytes || row.Newest < oldest))
            {
                isDone = true;
                break;
            }

            _records.Delete(partition.Id, row.First);
            earliest = Math.Max(earliest, row.First + row.Count);
            bytes -= row.Bytes;
        }

        return partition with { Earliest = earliest, Bytes = bytes };
    }
}
